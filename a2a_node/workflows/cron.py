"""Schedules: lines of cron with five fields, in UTC.

A day must fit both of its fields, or one of them where neither begins with `*`, as with every cron.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Self

FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day of the month", 1, 31), ("month", 1, 12), ("day of the week", 0, 7))
PART = re.compile(r"(?:(\*)|(\d{1,2})(?:-(\d{1,2}))?)(?:/(\d{1,2}))?")
SUNDAY = 7  # as well as 0


def cron_fault(line: str) -> str:
    """What is wrong with a line, in words; empty when nothing is."""
    texts = line.split()
    if len(texts) != len(FIELDS):
        return f"has {len(texts)} fields, and must have five, such as '0 3 * * 1-5'"
    for (name, least, most), text in zip(FIELDS, texts, strict=True):
        if not all(_fits(part, least, most) for part in text.split(",")):
            return f"says {text[:80]!r} for the {name}, which goes from {least} to {most}"
    return ""


@dataclass(frozen=True, slots=True)
class Cron:
    """The minutes that a line names."""

    minutes: Sequence[int]
    hours: Sequence[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]  # 0 is Sunday
    either: bool  # a day fits when one of its two fields does

    @classmethod
    def of(cls, line: str) -> Self:
        """Read a line without faults."""
        texts = line.split()
        found = [
            frozenset(number for part in text.split(",") for number in _named(part, least, most))
            for text, (_, least, most) in zip(texts, FIELDS, strict=True)
        ]
        weekdays = frozenset(number % SUNDAY for number in found[4])
        either = not (texts[2].startswith("*") or texts[4].startswith("*"))
        return cls(sorted(found[0]), sorted(found[1]), found[2], found[3], weekdays, either)

    def latest(self, after: datetime, until: datetime) -> datetime | None:
        """The last minute after a moment and not after another one; None when there is none. Both are of UTC."""
        day = until.date()
        while day >= after.date():
            if self._fits(day) and (found := self._of_day(day, until)) is not None:
                return found if found > after else None
            day -= timedelta(days=1)
        return None

    def _fits(self, day: date) -> bool:
        in_month, in_week = day.day in self.days, day.isoweekday() % SUNDAY in self.weekdays
        return day.month in self.months and (in_month or in_week if self.either else in_month and in_week)

    def _of_day(self, day: date, until: datetime) -> datetime | None:
        for hour in reversed(self.hours):
            for minute in reversed(self.minutes):
                found = datetime.combine(day, time(hour, minute, tzinfo=UTC))
                if found <= until:
                    return found
        return None


def _fits(part: str, least: int, most: int) -> bool:
    """Whether a part such as `*/5`, `3` or `1-5` names something."""
    found = PART.fullmatch(part)
    if found is None:
        return False
    everything, first, last, step = found.groups()
    if step is not None and (not int(step) or (first is not None and last is None)):
        return False
    return bool(everything) or least <= int(first) <= int(last or first) <= most


def _named(part: str, least: int, most: int) -> range:
    """The numbers that a part names."""
    found = PART.fullmatch(part)
    if found is None:
        return range(0)
    everything, first, last, step = found.groups()
    start, end = (least, most) if everything else (int(first), int(last or first))
    return range(start, end + 1, int(step or 1))
