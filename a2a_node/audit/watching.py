"""Watching: events as they are written by any node, told to whoever watches here.

All watchers of a node share one connection that hears of events, and the newest ones in memory. Each holds a place and
nothing else: a slow one costs no memory, and reads from the store what is no longer shared.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self, TypeAlias

from a2a_node.model.audit import AuditEvent, AuditFilter
from a2a_node.model.audit_ports import AuditLog
from a2a_node.model.errors import InvalidInput, StoreUnavailable, TooManySubscribers

MOST = 100  # watchers of a node
SHARED = 1000  # newest events in memory, while anybody watches
PAGE = 250  # events read at once


@dataclass(frozen=True, slots=True)
class Started:
    """The watch stands: nothing after this position is missed."""

    position: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Events of a chain that are no longer kept."""

    position: int
    node_id: str
    first: int
    last: int


Seen: TypeAlias = Started | Lost | AuditEvent


class Watching:
    """The watchers of a node; made by `watching`."""

    def __init__(self, store: AuditLog, most: int = MOST) -> None:
        self.watchers = 0
        self._store, self._most = store, most
        self._joining = asyncio.Lock()
        self._line: _Line | None = None

    @classmethod
    @asynccontextmanager
    async def watching(cls, store: AuditLog, most: int = MOST) -> AsyncIterator[Self]:
        """Let be watched until the block ends."""
        watching = cls(store, most)
        try:
            yield watching
        finally:
            watching._hang_up()

    async def watch(self, wanted: AuditFilter, after: int | None = None) -> AsyncGenerator[Seen, None]:
        """`Started`, then every event that fits after a position, the newest when absent, once and in order.

        TooManySubscribers; StoreUnavailable when the store is away, also later.
        """
        if self.watchers >= self._most:
            raise TooManySubscribers("audit", self._most)
        self.watchers += 1
        try:
            line = await self._joined()
            place = line.position if after is None else after
            if place > line.position:
                raise InvalidInput("after_cursor", "is of another mesh; begin again without it")
            yield Started(place)
            while True:
                events, place = await line.after(place)
                for event in events:
                    for seen in _told(event, wanted):
                        yield seen
        finally:
            self.watchers -= 1
            if not self.watchers:
                self._hang_up()

    async def _joined(self) -> _Line:
        """The line that all share; the first watcher opens it."""
        async with self._joining:
            if self._line is None or self._line.lost:
                self._line = _Line(self._store)
            await self._line.opened()
            return self._line

    def _hang_up(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


class _Line:
    """A connection that hears of events, and the newest of them. Once lost it is never used again."""

    def __init__(self, store: AuditLog) -> None:
        self.position = 0
        self.lost = False
        self._store = store
        self._newest: deque[AuditEvent] = deque(maxlen=SHARED)
        self._changed = asyncio.Event()
        self._open = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    async def opened(self) -> None:
        """Wait until it hears; StoreUnavailable."""
        await self._open.wait()
        if self.lost:
            raise StoreUnavailable("postgres")

    async def after(self, place: int) -> tuple[Sequence[AuditEvent], int]:
        """Events after a place, from memory where they are there, and the place after them; waits for the next one."""
        while place >= self.position:
            if self.lost:
                raise StoreUnavailable("postgres")
            await self._changed.wait()
        if self._newest and self._newest[0].position <= place + 1:
            return [event for event in self._newest if event.position > place], self.position
        known = self.position
        page = await self._store.after(place, PAGE)
        return page, page[-1].position if page else known

    def close(self) -> None:
        """End the connection."""
        self._task.cancel()

    async def _run(self) -> None:
        try:
            async with self._store.positions() as positions:
                self.position = await self._store.position()
                self._open.set()
                async for position in positions:
                    await self._catch_up(position)
        except StoreUnavailable:
            pass  # whoever watches is told so
        finally:
            self.lost = True
            self._open.set()
            self._tell()

    async def _catch_up(self, position: int) -> None:
        while self.position < position:
            page = await self._store.after(self.position, PAGE)
            self._newest.extend(page)
            self.position = page[-1].position if page else position
            self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


def _told(event: AuditEvent, wanted: AuditFilter) -> Sequence[Seen]:
    """The event where it fits, and what is missing before it where its chain is looked at."""
    told: list[Seen] = [event] if wanted.fits(event) else []
    if event.missing and wanted.node_id in ("", event.node_id):
        told.insert(0, Lost(event.position - 1, event.node_id, event.sequence - event.missing, event.sequence - 1))
    return told
