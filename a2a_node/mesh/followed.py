"""Rows of the mesh as this node knows them, in memory, so that no decision waits for the store.

It hears of each change as it is committed and reads what changed. When it is cut off it goes on deciding from what it
knows, comes back with a growing wait, and reads what it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic
from typing import Generic, Protocol, Self, TypeVar

import structlog

from a2a_node.mesh import hearing
from a2a_node.mesh.background import background
from a2a_node.model.errors import StoreUnavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Habits(hearing.Habits):
    """How rows are followed; spans in seconds."""

    tick: float = 0.25  # between looks for rows whose time is over


DEFAULT = Habits()


class Dated(Protocol):
    """What was read of a store: as of a revision, and when by its clock."""

    @property
    def revision(self) -> int:
        """The revision."""

    @property
    def now(self) -> datetime:
        """The time of the store's clock."""


C = TypeVar("C", bound=Dated)
C_contra = TypeVar("C_contra", bound=Dated, contravariant=True)
C_co = TypeVar("C_co", bound=Dated, covariant=True)


class Source(Protocol[C_co]):
    """A store whose changes have revisions."""

    async def snapshot(self) -> C_co:
        """All that holds."""

    async def changes(self, after: int) -> C_co | None:
        """What changed after that revision; None when a snapshot is needed instead."""

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of revisions that are committed after the block began."""


class Keeps(Protocol[C_contra]):
    """What is kept of the rows in memory."""

    @property
    def revision(self) -> int:
        """The revision that it is of."""

    def replace(self, everything: C_contra) -> None:
        """Begin again with all that holds."""

    def take(self, changes: C_contra) -> None:
        """Take in what changed."""

    def expire(self, now: datetime) -> bool:
        """Let go of what is over; whether there was anything."""


class Followed(Generic[C]):
    """A book that is kept up to date; made by `following`. `what` names the rows to people."""

    what = "rows"
    book: Keeps[C]

    def __init__(self, store: Source[C], book: Keeps[C], habits: Habits) -> None:
        self.book = book
        self.behind = False  # whether the store may have changed unheard
        self._store = store
        self._habits = habits
        self._clock: tuple[datetime, float] | None = None
        self._listeners: list[Callable[[], None]] = []
        self._changed = asyncio.Event()
        self._reading = asyncio.Lock()

    @asynccontextmanager
    async def following(self) -> AsyncIterator[Self]:
        """Follow the store until the block ends; StoreUnavailable when the first look at it fails."""
        await self._begin_anew()
        ear = hearing.Hearing(self._store, self._habits, self._catch_up, self._heard)
        async with background(ear.follow, ear.reread, self._expire):
            yield self

    def listen(self, listener: Callable[[], None]) -> None:
        """Call the listener after each change of what holds, before anything else is decided."""
        self._listeners.append(listener)

    def now(self) -> datetime:
        """The time of the store's clock as it was heard of here, ahead by a trip at most: what ends does so in time."""
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

    async def prepare(self, changes: C) -> None:
        """Make ready for what is about to be taken in; nothing, unless a room overrides it."""

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
            asked = monotonic()
            changes = await self._store.changes(self.book.revision)
            if changes is None:
                await self._begin_anew()
            else:
                await self._take(changes, asked)

    async def _begin_anew(self) -> None:
        asked = monotonic()
        everything = await self._store.snapshot()
        await self._ready(everything, asked)
        self.book.replace(everything)
        self._tell()

    async def _take(self, changes: C, asked: float) -> None:
        await self._ready(changes, asked)
        if changes.revision > self.book.revision:
            self.book.take(changes)
            self._tell()

    async def _ready(self, changes: C, asked: float) -> None:
        await self.prepare(changes)
        self._clock = (changes.now, asked)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()
        self._changed.set()
        self._changed = asyncio.Event()

    def _heard(self, *, cut_off: bool) -> None:
        if cut_off and not self.behind:
            log.warning("out of hearing; deciding from memory", what=self.what, revision=self.book.revision)
        elif self.behind and not cut_off:
            log.info("heard again", what=self.what, revision=self.book.revision)
        self.behind = cut_off
