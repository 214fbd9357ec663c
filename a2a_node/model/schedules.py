"""Schedules of templates: when runs start by themselves, and what became of a minute."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Scheduled:
    """The newest version of a template that has a schedule."""

    template: str
    version: int
    schedule: str  # a line of cron, in UTC
    created_at: datetime
    authority: bytes  # the warrant of whoever put it; empty for a version from before schedules were kept
    minute: datetime | None = None  # the latest that somebody took up; None when there is none
    outcome: str = ""  # what became of that; empty while whoever took it up has not said so


@dataclass(frozen=True, slots=True)
class Timetable:
    """All schedules, and the time of the store's clock at which they were read."""

    now: datetime
    scheduled: Sequence[Scheduled]


class Schedules(Protocol):
    """Which minute of each schedule was taken up last. Every method raises StoreUnavailable when the store is away."""

    async def timetable(self) -> Timetable:
        """All schedules as they stand."""

    async def take(self, template: str, minute: datetime, lease: float) -> bool:
        """Take a minute up; of all who try one wins, mesh-wide.

        One that is earlier than the last is never won; nor is the last itself, unless whoever has it has not said for
        `lease` seconds what became of it.
        """

    async def settle(self, template: str, minute: datetime, outcome: str) -> None:
        """Say what became of a minute."""
