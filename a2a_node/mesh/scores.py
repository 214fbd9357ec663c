"""How well an instance answers: what balance compares, from how long its calls took and how many it has."""

from __future__ import annotations

from math import exp

MEMORY = 10.0  # seconds in which what was seen loses most of its weight
PENALTY = 1.0  # seconds that a call counts for which the instance refused or failed, however fast it did so
WEIGHT = 1 / 8  # of one call in how ill an instance is
LEAST = 0.0005  # seconds that any call takes: instances that were not asked lately differ by how busy they are


class Score:
    """The latency of one instance, as a moving average that rises at once and falls slowly.

    A slow answer counts in full, a fast one only as time passes, so that an instance in trouble is left alone at once
    and comes back little by little. Every time is on one clock, in seconds, and comes from outside.
    """

    __slots__ = ("_at", "_ill", "_latency", "in_flight")

    def __init__(self) -> None:
        self._latency = self._ill = 0.0
        self._at = 0.0
        self.in_flight = 0  # calls from this node

    def saw(self, took: float, now: float, *, ill: bool = False) -> None:
        """A call ended after so long; `ill` when the instance refused it or failed."""
        left = exp((self._at - now) / MEMORY)
        self._latency = max(self._latency * left, took, PENALTY if ill else 0.0)
        self._ill = self._ill * left * (1 - WEIGHT) + ill * WEIGHT
        self._at = now

    def latency(self, now: float) -> float:
        """What a call is expected to take; what was seen long ago counts less and less."""
        return self._latency * exp((self._at - now) / MEMORY)

    def illness(self, now: float) -> float:
        """The share of its last calls that it refused or failed, from 0 to 1; it fades while nobody calls."""
        return self._ill and self._ill * exp((self._at - now) / MEMORY)

    def cost(self, now: float) -> float:
        """What one more call would have to wait, more or less."""
        return max(self.latency(now), LEAST) * (self.in_flight + 1)
