"""The directory: the whole registry as this node knows it, in memory, so that no call waits for the store.

It hears of each revision as it is committed and reads what changed. When it is cut off it goes on answering from
memory, says that it is behind, comes back with a growing wait, and reads what it missed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from typing import Self

import structlog

from a2a_node.mesh import hearing
from a2a_node.mesh.background import background
from a2a_node.mesh.book import Book, Step, step_by, step_to
from a2a_node.mesh.news import Event, News, Removed, everything
from a2a_node.model.errors import StoreUnavailable, TooManySubscribers
from a2a_node.model.registry_ports import Registry, Snapshot

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Habits(hearing.Habits):
    """How a directory follows the registry; spans in seconds."""

    news: int = 10_000  # events kept for watchers
    watchers: int = 1000


DEFAULT = Habits()


class Directory(Book):
    """Agents, instances and nodes of the mesh, kept as the registry has them; made by `following`."""

    def __init__(self, registry: Registry, first: Snapshot, habits: Habits) -> None:
        super().__init__()
        self.take(step_to(self, first))
        self.behind_since: datetime | None = None  # since when the registry may have changed unheard
        self._registry = registry
        self._habits = habits
        self._news = News(first.revision, habits.news)
        self._changed = asyncio.Event()
        self._reading = asyncio.Lock()
        self._watchers = 0

    @classmethod
    @asynccontextmanager
    async def following(cls, registry: Registry, habits: Habits = DEFAULT) -> AsyncIterator[Self]:
        """Follow the registry until the block ends; StoreUnavailable when the first look at it fails."""
        directory = cls(registry, await registry.snapshot(), habits)
        ear = hearing.Hearing(registry, habits, directory._catch_up, directory._heard)
        async with background(ear.follow, ear.reread):
            yield directory

    @property
    def behind(self) -> bool:
        """Whether the registry is out of hearing, so that it may be different by now."""
        return self.behind_since is not None

    @property
    def watchers(self) -> int:
        """How many watch it."""
        return self._watchers

    async def changed(self) -> None:
        """Wait for the next change of what is known, or of whether it is behind."""
        await self._changed.wait()

    async def refreshed(self) -> None:
        """Read what changed up to now; StoreUnavailable."""
        await self._catch_up()

    async def reached(self, revision: int) -> None:
        """Wait until what was written as that revision can be read here; StoreUnavailable after the patience."""
        try:
            async with asyncio.timeout(self._habits.patience):
                await self._catch_up(revision)
                while self.revision < revision:
                    await self.changed()
        except TimeoutError:
            raise StoreUnavailable("postgres") from None

    async def watch(self, after: int = 0) -> AsyncGenerator[Event, None]:
        """What changes after a revision, or every agent and then what changes; TooManySubscribers.

        A revision that is no longer known, and a reader too slow for the news, begin again with a reset. Whoever stops
        before the end closes the generator.
        """
        with self._seat():
            if after > self.revision:  # another node was further
                with suppress(StoreUnavailable):
                    await self.reached(after)
            place, events = self._news.end, self._opening(after)
            while True:
                for event in events:
                    yield event
                while place == self._news.end:
                    await self.changed()
                place, events = self._news.end, self._continuation(place)

    def _opening(self, after: int) -> Iterable[Event]:
        missed = self._news.since(after) if after else None
        if missed is None:
            return everything(self.agents(), self.revision, reset=after != 0)
        return chain(missed, everything((), self.revision))

    def _continuation(self, place: int) -> Iterable[Event]:
        missed = self._news.after(place)
        return everything(self.agents(), self.revision, reset=True) if missed is None else missed

    @contextmanager
    def _seat(self) -> Iterator[None]:
        if self._watchers >= self._habits.watchers:
            raise TooManySubscribers("WatchAgents", self._habits.watchers)
        self._watchers += 1
        try:
            yield
        finally:
            self._watchers -= 1

    async def _catch_up(self, least: int | None = None) -> None:
        """Read what changed, unless the revision `least` is here already."""
        async with self._reading:
            if least is not None and least <= self.revision:
                return
            changes = await self._registry.changes(self.revision)
            if changes is None:
                self._replace(await self._registry.snapshot())
            elif changes.revision > self.revision:
                self._advance(step_by(self, changes))

    def _replace(self, snapshot: Snapshot) -> None:
        if snapshot.revision < self.revision:  # another database than before
            self._news.restart(snapshot.revision)
        self._advance(step_to(self, snapshot))

    def _advance(self, step: Step) -> None:
        self.take(step)
        self._news.add(step.revision, [*(Removed(name) for name in step.removed), *step.entries])
        self._wake()

    def _heard(self, *, cut_off: bool) -> None:
        if cut_off == self.behind:
            return
        if cut_off:
            log.warning("registry is out of hearing; answering from memory", revision=self.revision)
        else:
            log.info("registry is heard again", revision=self.revision, behind_since=str(self.behind_since))
        self.behind_since = datetime.now(UTC) if cut_off else None
        self._wake()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
