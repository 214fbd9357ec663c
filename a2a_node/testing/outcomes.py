"""Outcomes in memory: what those in Redis do, for tests that need no Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from a2a_node.model.errors import DeadlineExceeded, IdempotencyKeyReused, StoreUnavailable
from a2a_node.model.state import Outcome
from a2a_node.store.outcomes import LEASE
from a2a_node.testing.losable import utc
from a2a_node.testing.presence import Presence


@dataclass(eq=False, slots=True)
class _Entry:
    """Who has the right to a key, or with which outcome it was settled."""

    digest: str
    until: datetime
    outcome: Outcome | None
    changed: asyncio.Event


class _Claim:
    """The port `Claim` of one caller."""

    def __init__(self, outcomes: MemoryOutcomes, key: str, entry: _Entry) -> None:
        self.outcome = entry.outcome
        self.entry = entry
        self._outcomes = outcomes
        self._key = key

    async def settle(self, outcome: Outcome, ttl: float) -> None:
        """Keep the outcome for `ttl` seconds and wake whoever waits."""
        self._outcomes.end(self._key, self.entry, outcome, ttl)


class MemoryOutcomes(Presence):
    """The port `Outcomes` on a dictionary. `lose()` makes it behave as if Redis were away, until `recover()`.

    A claim ends when the clock has passed its lease, as if its worker had died: nobody renews it here.
    """

    def __init__(self, clock: Callable[[], datetime] = utc, *, lease: float = LEASE) -> None:
        super().__init__("redis")
        self._clock = clock
        self._lease = lease
        self._entries: dict[str, _Entry] = {}

    @asynccontextmanager
    async def claim(self, key: str, digest: str, wait: float, *, exclusive: bool = True) -> AsyncIterator[_Claim]:
        """Win the right to work, or wait up to `wait` seconds for the outcome of who has it."""
        del exclusive  # no worker is cut off from its claims here
        try:
            async with asyncio.timeout(wait):
                entry = await self._mine_or_settled(key, digest)
        except TimeoutError:
            raise DeadlineExceeded(wait) from None
        try:
            yield _Claim(self, key, entry)
        finally:
            if entry.outcome is None and self._entries.get(key) is entry:
                del self._entries[key]
                entry.changed.set()

    def end(self, key: str, entry: _Entry, outcome: Outcome, ttl: float) -> None:
        """Settle a claim; StoreUnavailable when it was lost."""
        self.check()
        if self._live(key) is not entry:
            raise StoreUnavailable("redis")
        entry.outcome, entry.until = outcome, self._clock() + timedelta(seconds=ttl)
        entry.changed.set()

    async def _mine_or_settled(self, key: str, digest: str) -> _Entry:
        while True:
            self.check()
            entry = self._live(key)
            if entry is None:
                until = self._clock() + timedelta(seconds=self._lease)
                self._entries[key] = entry = _Entry(digest, until, None, asyncio.Event())
                return entry
            if entry.digest != digest:
                raise IdempotencyKeyReused(key)
            if entry.outcome is not None:
                return entry
            with suppress(TimeoutError):
                async with asyncio.timeout((entry.until - self._clock()).total_seconds()):
                    await entry.changed.wait()

    def _live(self, key: str) -> _Entry | None:
        entry = self._entries.get(key)
        return entry if entry is not None and entry.until > self._clock() else None
