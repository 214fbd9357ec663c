"""The grants of the mesh as this node knows them, in memory, so that no decision waits for the store.

It hears of each change as it is committed and reads what changed. When it is cut off it goes on deciding from what it
knows, comes back with a growing wait, and reads what it missed.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Self

import structlog

from a2a_node.access import conditions
from a2a_node.access.book import Book
from a2a_node.mesh.background import background
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.ports import GrantChanges, Grants

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Habits:
    """How the grants are followed; spans in seconds."""

    first_wait: float = 0.2  # before it tries again after it was cut off
    longest_wait: float = 5.0
    reread: float = 15.0  # between looks that nobody asked for, in case that word of a change was lost
    tick: float = 0.25  # between looks for grants whose time is over
    patience: float = 5.0  # of whoever waits for a revision


DEFAULT = Habits()


class Following:
    """A book that is kept up to date; made by `grants_of`."""

    def __init__(self, store: Grants, habits: Habits) -> None:
        self.book = Book()
        self.behind = False  # whether the store may have changed unheard
        self._store = store
        self._habits = habits
        self._clock: tuple[datetime, float] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._changed = asyncio.Event()
        self._reading = asyncio.Lock()

    @classmethod
    @asynccontextmanager
    async def grants_of(cls, store: Grants, habits: Habits = DEFAULT) -> AsyncIterator[Self]:
        """Follow the grants until the block ends; StoreUnavailable when the first look at them fails."""
        following = cls(store, habits)
        await following._replace(await store.snapshot())
        async with background(following._follow, following._reread, following._expire):
            yield following

    def listen(self, listener: Callable[[], None]) -> None:
        """Call the listener after each change of what holds, before anything else is decided."""
        self._listeners.append(listener)

    def now(self) -> datetime:
        """The time of the store's clock, as far as it was heard of here."""
        if self._clock is None:
            raise StoreUnavailable("postgres")
        moment, then = self._clock
        return moment + timedelta(seconds=monotonic() - then)

    async def reached(self, revision: int) -> None:
        """Read until what was written as that revision is known here; StoreUnavailable after the patience."""
        try:
            async with asyncio.timeout(self._habits.patience):
                await self._catch_up(revision)
                while self.book.revision < revision:
                    await self._changed.wait()
        except TimeoutError:
            raise StoreUnavailable("postgres") from None

    async def _follow(self) -> None:
        """Hear of changes; come back whenever that was cut off."""
        wait = self._habits.first_wait
        while True:
            with suppress(StoreUnavailable):  # said once, below
                async with self._store.revisions() as revisions:
                    await self._catch_up()
                    self._heard(cut_off=False)
                    wait = self._habits.first_wait
                    async for revision in revisions:
                        await self._catch_up(revision)
            self._heard(cut_off=True)
            await asyncio.sleep(random.uniform(wait / 2, wait))  # noqa: S311 - it keeps no secret, it spreads nodes
            wait = min(2 * wait, self._habits.longest_wait)

    async def _reread(self) -> None:
        while True:
            await asyncio.sleep(self._habits.reread)
            with suppress(StoreUnavailable):  # whoever hears of changes notices as well
                await self._catch_up()

    async def _expire(self) -> None:
        while True:
            await asyncio.sleep(self._habits.tick)
            if self.book.expire(self.now()):
                self._tell()

    async def _catch_up(self, least: int | None = None) -> None:
        """Read what changed, unless the revision `least` is here already."""
        async with self._reading:
            if least is not None and least <= self.book.revision:
                return
            changes = await self._store.changes(self.book.revision)
            if changes is None:
                await self._replace(await self._store.snapshot())
            else:
                await self._take(changes)

    async def _replace(self, everything: GrantChanges) -> None:
        await self._prepare(everything)
        self.book.replace(everything)
        self._tell()

    async def _take(self, changes: GrantChanges) -> None:
        await self._prepare(changes)
        if changes.revision > self.book.revision:
            self.book.take(changes)
            self._tell()

    async def _prepare(self, changes: GrantChanges) -> None:
        if any(grant.conditions for grant in changes.grants):
            await conditions.ready()
        self._clock = (changes.now, monotonic())

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
        self._changed.set()
        self._changed = asyncio.Event()

    def _heard(self, *, cut_off: bool) -> None:
        if cut_off and not self.behind:
            log.warning("grants are out of hearing; deciding from memory", revision=self.book.revision)
        elif self.behind and not cut_off:
            log.info("grants are heard again", revision=self.book.revision)
        self.behind = cut_off
