"""A breaker: stops calls to what fails, and lets one through after a while to see whether it is well again.

It counts what says that the other side does not work, never what a caller did wrong: who decides that is above.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

SHARE = 1 / 32  # of one call in the rate of errors: it looks back on about as many calls


class State(StrEnum):
    """How a breaker stands."""

    CLOSED = "closed"  # calls pass
    OPEN = "open"  # no call passes
    HALF_OPEN = "half_open"  # one call may pass, or is on its way; the next one only after the longest pause


@dataclass(frozen=True, slots=True)
class Tolerance:
    """What a breaker bears; spans in seconds."""

    in_a_row: int = 5  # failures
    rate: float = 0.5  # of failures, over the last calls
    least: int = 20  # calls, before the rate means anything
    first_pause: float = 1.0  # doubled each time that the probe fails
    longest_pause: float = 10.0


DEFAULT = Tolerance()


class Breaker:
    """The breaker of one instance or one node; every time is on one clock, in seconds, and comes from outside."""

    __slots__ = ("_in_a_row", "_opened", "_probes", "_probing", "_rate", "_seen", "_tolerance", "_until", "opened")

    def __init__(self, tolerance: Tolerance = DEFAULT) -> None:
        self._tolerance = tolerance
        self._in_a_row = self._seen = self._opened = 0
        self._rate = 0.0
        self._until: float | None = None  # when a probe may go; None while calls pass
        self._probing = self._probes = 0  # the number of the probe that is under way, and of the last one
        self.opened = 0  # how often it opened since it was made

    def state(self, now: float) -> State:
        """How it stands."""
        if self._until is None:
            return State.CLOSED
        return State.HALF_OPEN if self._probing or now >= self._until else State.OPEN

    def allows(self, now: float) -> bool:
        """Whether a call may go now."""
        return self._until is None or now >= self._until

    def wait(self, now: float) -> float:
        """Seconds until a call may go, as far as one can tell."""
        return 0.0 if self._until is None else max(0.0, self._until - now)

    def begin(self, now: float) -> int:
        """A call goes; its number if it is the probe, which has to be told how it ended, or else 0.

        A probe keeps others off until it ends, and no longer than the longest pause: it may take as long as any call.
        """
        if self._until is None:
            return 0
        self._probes += 1
        self._until, self._probing = now + self._tolerance.longest_pause, self._probes
        return self._probing

    def succeed(self, *, probe: int | None = None) -> None:
        """A call got through: the other side works, whatever it answered. Unless closed, only the last probe counts."""
        if self._until is not None and not self._listens(probe):
            return  # it was under way when others opened the breaker
        self._seen = min(self._seen + 1, self._tolerance.least)
        if self._in_a_row or self._rate or self._until is not None:
            self._in_a_row = 0
            self._rate *= 1 - SHARE
            self._close()

    def fail(self, now: float, *, at_once: bool = False, probe: int | None = None) -> bool:
        """A call failed, and the other side is to blame; `at_once` opens it. Whether that opened it."""
        self._in_a_row += 1
        self._seen = min(self._seen + 1, self._tolerance.least)
        self._rate += (1 - self._rate) * SHARE
        if self._until is not None and not self._listens(probe):
            return False  # it was under way when another one opened the breaker
        if not (at_once or self._probing or self._too_many()):
            return False
        pause = min(self._tolerance.first_pause * 2**self._opened, self._tolerance.longest_pause)
        self._until, self._probing = now + pause, 0
        self._opened = min(self._opened + 1, 16)
        self.opened += 1
        return True

    def let_go(self, now: float, *, probe: int | None = None) -> None:
        """The probe ended without telling anything, for its caller went away: another call may be the probe."""
        if self._until is not None and self._listens(probe):
            self._until, self._probing = now, 0

    def _listens(self, probe: int | None) -> bool:
        """Whether that is the last probe, and under way; None where there is one at a time."""
        return self._probing != 0 and probe in (None, self._probing)

    def _too_many(self) -> bool:
        tolerance = self._tolerance
        often = self._seen >= tolerance.least and self._rate > tolerance.rate
        return often or self._in_a_row >= tolerance.in_a_row

    def _close(self) -> None:
        if self._until is not None:
            self._until, self._probing, self._opened, self._rate = None, 0, 0, 0.0
