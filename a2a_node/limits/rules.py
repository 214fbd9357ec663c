"""The rules: which limit applies to whom, as this node knows it, in memory, so that no call waits for the store.

They are followed as grants are: a word of each change, all limits read again, and a look now and then in case a word
was lost. Cut off, the node goes on by what it knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import product
from typing import Self

import structlog

from a2a_node.mesh.background import background
from a2a_node.mesh.hearing import DEFAULT, Habits, Hearing
from a2a_node.model.agents import AgentCapability
from a2a_node.model.errors import InvalidInput, StoreUnavailable
from a2a_node.model.limit_ports import LimitBook, Limits
from a2a_node.model.limits import Limit, LimitKey, LimitSource, Rate, written_rate
from a2a_node.model.proxied import PROXIED

log = structlog.get_logger()

KEPT = 20_000  # rates that are remembered by what they apply to
PARTS = tuple(product((True, False), repeat=3))  # which parts of a key a limit names: the more exact come first
DECLARED = (False, True, True)


class Rules:
    """The limits that were set, over those that capabilities declare, over the default; made by `following`."""

    def __init__(self, store: Limits, default: Rate, habits: Habits = DEFAULT) -> None:
        self.revision = -1
        self._store = store
        self._default = Limit(LimitKey(), default, LimitSource.DEFAULT)
        self._habits = habits
        self._set: dict[LimitKey, Limit] = {}
        self._names: frozenset[str] = frozenset()
        self._kept: dict[tuple[LimitKey, str], Rate] = {}
        self._changed = asyncio.Event()
        self._reading = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def following(cls, store: Limits, default: Rate, habits: Habits = DEFAULT) -> AsyncIterator[Self]:
        """Follow the limits until the block ends; StoreUnavailable when the first look at them fails."""
        rules = cls(store, default, habits)
        await rules._catch_up()
        ear = Hearing(store, habits, rules._catch_up, rules._heard)
        async with background(ear.follow, ear.reread):
            yield rules

    def rate(self, key: LimitKey, offered: AgentCapability) -> Rate:
        """How fast a bucket may be emptied."""
        kept = self._kept.get((key, offered.limit))
        if kept is None:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            kept = self._kept[key, offered.limit] = self.limit(key, offered).rate
        return kept

    def limit(self, key: LimitKey, offered: AgentCapability | None) -> Limit:
        """The limit that applies to a bucket, with the key that it was said for."""
        for parts in PARTS:
            named = LimitKey(*(name if part else "" for name, part in zip(key, parts, strict=True)))
            found = self._set.get(named) or (_declared(named, offered) if parts == DECLARED else None)
            if found is not None:
                return found
        return self._default

    def bucket_of(self, method: str) -> str:
        """The bucket of a method of an agent's own gRPC services: one for all of them, but those that a limit names."""
        return method if method in self._names else PROXIED

    def all(self) -> Sequence[Limit]:
        """The limits that were set, by key."""
        return [self._set[key] for key in sorted(self._set)]

    async def reached(self, revision: int) -> None:
        """Wait until what was written as that revision applies here; StoreUnavailable after the patience."""
        try:
            async with asyncio.timeout(self._habits.patience):
                await self._catch_up(revision)
                while self.revision < revision:
                    await self._changed.wait()
        except TimeoutError:
            raise StoreUnavailable("postgres") from None

    def _heard(self, *, cut_off: bool) -> None:
        if cut_off:
            log.warning("limits are out of hearing; going on by those from memory", revision=self.revision)

    async def _catch_up(self, least: int | None = None) -> None:
        """Read all limits, unless the revision `least` is here already; one after the other, so none comes late."""
        async with self._reading:
            if least is None or self.revision < least:
                self._take(await self._store.snapshot())

    def _take(self, book: LimitBook) -> None:
        if book.revision != self.revision:
            self.revision = book.revision
            self._set = {limit.key: limit for limit in book.limits}
            self._names = frozenset(key.capability for key in self._set)
            self._kept.clear()
            self._changed.set()
            self._changed = asyncio.Event()


def _declared(key: LimitKey, offered: AgentCapability | None) -> Limit | None:
    """What a capability says of itself; nothing where an older node let something else than a limit pass."""
    if offered is None or not offered.limit:
        return None
    with suppress(InvalidInput):
        return Limit(key, written_rate("limit", offered.limit, offered.cost), LimitSource.CAPABILITY)
    return None
