"""Limits in memory: what those in Postgres do, for tests that need no Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from a2a_node.model.errors import InvalidInput, StoreUnavailable
from a2a_node.model.limit_ports import LimitBook
from a2a_node.model.limits import MOST_LIMITS, Limit, LimitKey, Rate
from a2a_node.testing.registry import MemoryRevisions, utc


class MemoryLimits:
    """The port `Limits` on a dictionary. `lose()` makes it behave as if Postgres were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        self._clock = clock
        self._away = False
        self._revision = 0
        self._set: dict[LimitKey, Limit] = {}
        self._listeners: set[MemoryRevisions] = set()

    def lose(self) -> None:
        """Postgres goes away: every method raises StoreUnavailable, and whoever listens is cut off."""
        self._away = True
        for listener in self._listeners:
            listener.cut()

    def recover(self) -> None:
        """Postgres comes back, with all that it knew."""
        self._away = False

    async def put(self, key: LimitKey, rate: Rate, by: str) -> tuple[Limit, int]:
        """Set the limit of a key, in place of the one there."""
        self._check()
        if key not in self._set and len(self._set) >= MOST_LIMITS:
            raise InvalidInput("key", f"is one more than the {MOST_LIMITS:,} limits that can be set")
        self._set[key] = Limit(key, rate, updated_by=by, updated_at=self._clock())
        return self._set[key], self._note()

    async def remove(self, key: LimitKey) -> tuple[bool, int]:
        """Forget the limit of a key."""
        self._check()
        gone = self._set.pop(key, None) is not None
        return gone, self._note() if gone else self._revision

    async def snapshot(self) -> LimitBook:
        """All limits."""
        self._check()
        return LimitBook(self._revision, list(self._set.values()))

    @asynccontextmanager
    async def revisions(self) -> AsyncIterator[AsyncIterator[int]]:
        """Hear of new revisions as they are committed."""
        self._check()
        listener = MemoryRevisions()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def _note(self) -> int:
        self._revision += 1
        for listener in self._listeners:
            listener.hear(self._revision)
        return self._revision

    def _check(self) -> None:
        if self._away:
            raise StoreUnavailable("postgres")
