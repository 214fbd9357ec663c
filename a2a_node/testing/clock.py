"""A clock that tests move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class Clock:
    """Tells a time, in UTC, that moves only when it is told to."""

    def __init__(self, start: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> None:
        self._now = start

    def __call__(self) -> datetime:
        """The time."""
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self._now += timedelta(seconds=seconds)
