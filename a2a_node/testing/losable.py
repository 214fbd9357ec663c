"""What stores in memory have in common: a clock, numbers of their changes for whoever listens, and a way to be lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from a2a_node.model.errors import StoreUnavailable
from a2a_node.testing.presence import Presence


def utc() -> datetime:
    """Now, in UTC."""
    return datetime.now(UTC)


class MemoryRevisions:
    """An iterator of revisions that is fed by hand."""

    def __init__(self) -> None:
        self._latest = 0
        self._cut = False
        self._news = asyncio.Event()

    def hear(self, revision: int) -> None:
        """Take in a revision; one that nobody took is replaced."""
        self._latest = revision
        self._news.set()

    def cut(self) -> None:
        """Lose the connection, for good."""
        self._cut = True
        self._news.set()

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        await self._news.wait()
        if self._cut:
            raise StoreUnavailable("postgres")
        self._news.clear()
        return self._latest


class Losable(Presence):
    """A store in memory. `lose()` makes it behave as if Postgres were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__("postgres")
        self._clock = clock
        self._revision = 0
        self._listeners: set[MemoryRevisions] = set()

    def lose(self) -> None:
        """Postgres goes away: every method raises StoreUnavailable, and whoever listens is cut off."""
        super().lose()
        for listener in self._listeners:
            listener.cut()

    @asynccontextmanager
    async def revisions(self) -> AsyncIterator[MemoryRevisions]:
        """Hear of new revisions as they are committed."""
        self._now()
        listener = MemoryRevisions()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def _now(self) -> datetime:
        """The store's time, if the store is there."""
        self.check()
        return self._clock()

    def _commit(self, changes: int = 1) -> int:
        """Number what changed, and tell whoever listens; the newest number."""
        self._revision += changes
        for listener in self._listeners:
            listener.hear(self._revision)
        return self._revision
