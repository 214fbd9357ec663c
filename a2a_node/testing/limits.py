"""Limits in memory: what those in Postgres do, for tests that need no Postgres."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from a2a_node.model.errors import InvalidInput
from a2a_node.model.limit_ports import LimitBook
from a2a_node.model.limits import MOST_LIMITS, Limit, LimitKey, Rate
from a2a_node.testing.losable import Losable, utc


class MemoryLimits(Losable):
    """The port `Limits` on a dictionary."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__(clock)
        self._set: dict[LimitKey, Limit] = {}

    async def put(self, key: LimitKey, rate: Rate, by: str) -> tuple[Limit, int]:
        """Set the limit of a key, in place of the one there."""
        self._now()
        if key not in self._set and len(self._set) >= MOST_LIMITS:
            raise InvalidInput("key", f"is one more than the {MOST_LIMITS:,} limits that can be set")
        self._set[key] = Limit(key, rate, updated_by=by, updated_at=self._clock())
        return self._set[key], self._commit()

    async def remove(self, key: LimitKey) -> tuple[bool, int]:
        """Forget the limit of a key."""
        self._now()
        gone = self._set.pop(key, None) is not None
        return gone, self._commit() if gone else self._revision

    async def snapshot(self) -> LimitBook:
        """All limits."""
        self._now()
        return LimitBook(self._revision, list(self._set.values()))
