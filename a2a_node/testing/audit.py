"""The audit in memory: what the one in Postgres does, for tests that need no Postgres."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from datetime import datetime

from a2a_node.model.audit import FIRST_HASH, AuditEvent, AuditFilter, ChainHead, Fact, Span, chained
from a2a_node.testing.losable import Losable


class MemoryAuditLog(Losable):
    """The port `AuditLog` on lists."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[AuditEvent] = []  # in the order of writing; a test may tamper with them
        self._heads: dict[str, ChainHead] = {}

    async def append(self, node_id: str, facts: Sequence[Fact]) -> Sequence[AuditEvent]:
        """Keep facts at the end of a node's chain."""
        self._now()
        known = {event.fact.id for event in self.events}
        head = self._heads.get(node_id, ChainHead(node_id, 0, FIRST_HASH))
        new = chained(node_id, [fact for fact in facts if fact.id not in known], head.sequence, head.hash)
        if new:
            self.events += [replace(event, position=self._revision + place) for place, event in enumerate(new, 1)]
            self._heads[node_id] = ChainHead(node_id, new[-1].sequence, new[-1].hash)
            self._commit(len(new))
        return new

    async def list(self, wanted: AuditFilter, span: Span, before: int | None, limit: int) -> Sequence[AuditEvent]:
        """Events that fit, the newest first."""
        self._now()
        return [
            event
            for event in reversed(self.events)
            if wanted.fits(event)
            and (before is None or event.position < before)
            and (span.start is None or event.fact.timestamp >= span.start)
            and (span.end is None or event.fact.timestamp < span.end)
        ][:limit]

    async def after(self, position: int, limit: int) -> Sequence[AuditEvent]:
        """Events after a position, in the order of writing."""
        self._now()
        found = [event for event in self.events if event.position > position][:limit]
        return [replace(event, missing=event.sequence - 1 - self._before(event)) for event in found]

    async def position(self) -> int:
        """The position of the newest event."""
        self._now()
        return self._revision

    async def heads(self, node_id: str = "") -> Sequence[ChainHead]:
        """The ends of all chains, or of one."""
        self._now()
        return [head for name, head in sorted(self._heads.items()) if node_id in ("", name)]

    async def chain(self, node_id: str, after: int, limit: int) -> Sequence[AuditEvent]:
        """Events of a chain after a sequence."""
        self._now()
        found = [event for event in self.events if event.node_id == node_id and event.sequence > after]
        return sorted(found, key=lambda event: event.sequence)[:limit]

    async def anchor(self, node_id: str, before: datetime) -> AuditEvent | None:
        """The last event of a chain before a time."""
        found = [event for event in await self.chain(node_id, 0, len(self.events)) if event.fact.timestamp < before]
        return found[-1] if found else None

    def positions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of new positions as they are committed."""
        return self.revisions()

    def _before(self, event: AuditEvent) -> int:
        earlier = [one.sequence for one in self.events if one.node_id == event.node_id]
        return max((sequence for sequence in earlier if sequence < event.sequence), default=0)
