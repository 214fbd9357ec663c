"""How a pool of connections stands."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pool:
    """Connections that somebody uses, those that wait for the next one, and how many there may be."""

    in_use: int
    idle: int
    size: int
