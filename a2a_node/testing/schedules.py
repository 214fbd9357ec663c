"""Schedules in memory: what those in Postgres do, for tests that need no Postgres."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from a2a_node.model.schedules import Scheduled, Timetable
from a2a_node.testing.presence import Presence


@dataclass(slots=True)
class _Taken:
    """The minute that was taken up last, and when."""

    minute: datetime
    at: datetime


class MemorySchedules(Presence):
    """The port `Schedules` on dictionaries, with a clock that the test moves."""

    def __init__(self, now: datetime) -> None:
        super().__init__("postgres")
        self._now = now
        self._puts: dict[str, Scheduled] = {}
        self._taken: dict[str, _Taken] = {}
        self.outcomes: dict[str, str] = {}  # of the minutes that were taken up last, by template

    def put(self, template: str, schedule: str, created_at: datetime, authority: bytes = b"a") -> None:
        """A template's newest version, from now on."""
        before = self._puts.get(template)
        self._puts[template] = Scheduled(
            template, 1 + (before.version if before else 0), schedule, created_at, authority
        )

    def drop(self, template: str) -> None:
        """Its newest version has no schedule."""
        del self._puts[template]

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)

    async def timetable(self) -> Timetable:
        """All schedules as they stand."""
        self.check()
        return Timetable(self._now, [self._told(one) for one in self._puts.values()])

    async def take(self, template: str, minute: datetime, lease: float) -> bool:
        """Take a minute up."""
        self.check()
        before = self._taken.get(template)
        if before is not None and minute <= before.minute:
            silent = not self.outcomes[template] and self._now - before.at > timedelta(seconds=lease)
            if minute < before.minute or not silent:
                return False
        self._taken[template], self.outcomes[template] = _Taken(minute, self._now), ""
        return True

    async def settle(self, template: str, minute: datetime, outcome: str) -> None:
        """Say what became of a minute."""
        self.check()
        if self._taken[template].minute == minute:
            self.outcomes[template] = outcome

    def _told(self, one: Scheduled) -> Scheduled:
        taken = self._taken.get(one.template)
        if taken is None:
            return one
        outcome = self.outcomes[one.template]
        return Scheduled(one.template, one.version, one.schedule, one.created_at, one.authority, taken.minute, outcome)
