"""The recorder: facts wait here, in bounded memory, until a batch of them is written to the node's chain.

What changes something first holds a place, so that nothing is done which could not be recorded; when all places are
taken it waits for one (or is counted as dropped, by a setting). What was merely refused is dropped and counted then. A
batch that could not be written waits for the store and comes again; one whose answer was lost is kept once.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Self

import structlog

from a2a_node.mesh.background import background
from a2a_node.model.audit import Fact
from a2a_node.model.audit_ports import AuditLog
from a2a_node.model.errors import InvalidInput, StoreUnavailable

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Rules:
    """How facts are kept until they are written; spans in seconds."""

    capacity: int = 10_000  # facts that wait, a place that is held among them; each takes about 1 KiB
    waits: bool = True  # whether a change waits for a place; otherwise it goes on and is counted as dropped
    gather: float = 0.05  # from the first fact of a batch to its writing
    batch: int = 500
    first_wait: float = 0.2  # before a batch comes again
    longest_wait: float = 5.0
    parting: float = 5.0  # for what still waits when the node ends


class Recorder:
    """Takes facts and writes them; made by `recording`."""

    def __init__(self, store: AuditLog, node_id: str, rules: Rules) -> None:
        self.written, self.dropped = 0, 0
        self.wrote_at = monotonic()
        self._store, self._node_id, self._rules = store, node_id, rules
        self._facts: deque[Fact] = deque()
        self._held = 0
        self._told, self._freed, self._empty = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._empty.set()
        self._away = False

    @classmethod
    @asynccontextmanager
    async def recording(cls, store: AuditLog, node_id: str, rules: Rules | None = None) -> AsyncIterator[Self]:
        """Record until the block ends, then write what still waits, as far as the store is there."""
        recorder = cls(store, node_id, rules or Rules())
        async with background(recorder._write):
            try:
                yield recorder
            finally:
                await recorder._part()

    def queued(self) -> int:
        """How many facts wait to be written."""
        return len(self._facts)

    @property
    def capacity(self) -> int:
        """How many facts may wait."""
        return self._rules.capacity

    def behind(self) -> float:
        """Seconds since a batch was written, while any waits."""
        return monotonic() - self.wrote_at if self._facts else 0.0

    async def hold(self) -> bool:
        """Hold a place for one fact; waits for it when all are taken, or says False where changes do not wait."""
        while self._full():
            if not self._rules.waits:
                return False
            self._freed.clear()
            await self._freed.wait()
        self._held += 1
        return True

    def release(self) -> None:
        """Give a place back that was held for nothing."""
        self._held -= 1
        self._freed.set()

    def put(self, fact: Fact, *, held: bool = False) -> None:
        """Take in a fact, in the place that was held for it; otherwise it may be dropped, and is counted then."""
        if held:
            self._held -= 1
        elif self._full():
            self.dropped += 1
            return
        if not self._facts:
            self.wrote_at = monotonic()
            self._empty.clear()
            self._told.set()
        self._facts.append(fact)

    def _full(self) -> bool:
        return len(self._facts) + self._held >= self._rules.capacity

    async def _write(self) -> None:
        wait = self._rules.first_wait
        while True:
            await self._told.wait()
            await asyncio.sleep(self._rules.gather if len(self._facts) < self._rules.batch else 0)
            if await self._written():
                wait = self._rules.first_wait
            else:
                await asyncio.sleep(wait)
                wait = min(2 * wait, self._rules.longest_wait)

    async def _written(self) -> bool:
        """Write the oldest batch; False when it has to come again."""
        batch = [self._facts[place] for place in range(min(len(self._facts), self._rules.batch))]
        try:
            await self._append(batch)
        except StoreUnavailable:
            self._heard(away=True)
            return False
        except Exception:
            log.exception("events could not be written; trying again", waiting=len(self._facts))
            return False
        self._heard(away=False)
        self._clear(len(batch))
        return True

    async def _append(self, batch: Sequence[Fact]) -> None:
        try:
            await self._store.append(self._node_id, batch)
        except InvalidInput:  # one of them cannot be kept at all: the others must not wait for it
            if len(batch) == 1:
                self.dropped, self.written = self.dropped + 1, self.written - 1
                log.error("an event could not be kept", action=batch[0].action)  # noqa: TRY400 - it may quote the fact
                return
            for fact in batch:
                await self._append([fact])

    def _clear(self, many: int) -> None:
        for _ in range(many):
            self._facts.popleft()
        self.written, self.wrote_at = self.written + many, monotonic()
        self._freed.set()
        if not self._facts:
            self._told.clear()
            self._empty.set()

    async def _part(self) -> None:
        try:
            async with asyncio.timeout(self._rules.parting):
                await self._empty.wait()
        except TimeoutError:
            self.dropped += len(self._facts)
            log.error("events are lost: they could not be written before the end", events=len(self._facts))  # noqa: TRY400

    def _heard(self, *, away: bool) -> None:
        if away and not self._away:
            log.warning("events wait: postgres is away", waiting=len(self._facts))
        elif self._away and not away:
            log.info("events are written again", waiting=len(self._facts))
        self._away = away
