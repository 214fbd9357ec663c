"""Verifying: the chains are computed again from the first event to the last, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from a2a_node.model.audit import (
    FIRST_HASH,
    MOST_BREAKS,
    AuditEvent,
    Break,
    ChainHead,
    Span,
    broken,
    inserted,
    missing,
)
from a2a_node.model.audit_ports import AuditLog
from a2a_node.model.errors import NodeNotFound

PAGE = 200  # events whose hashes are computed at a stretch, about 2 ms


@dataclass(slots=True)
class Verdict:
    """What came of it: the first break of each chain, and what was read."""

    breaks: list[Break] = field(default_factory=list)
    chains: int = 0
    events: int = 0


async def verified(store: AuditLog, node_id: str = "", span: Span | None = None) -> Verdict:
    """Verify one chain or all of them; NodeNotFound for a chain that there is not."""
    verdict, within = Verdict(), span or Span()
    heads = await store.heads(node_id)
    if node_id and not heads:
        raise NodeNotFound(node_id)
    for head in heads:
        verdict.chains += 1
        found = await _Chain(store, head.node_id, verdict).broken(within)
        if found is not None and len(verdict.breaks) < MOST_BREAKS:
            verdict.breaks.append(found)
    return verdict


class _Chain:
    """One chain on its way from its first event to its last."""

    def __init__(self, store: AuditLog, node_id: str, verdict: Verdict) -> None:
        self._store, self._node_id, self._verdict = store, node_id, verdict
        self._sequence = 0
        self._last: str | None = FIRST_HASH  # None where any may come
        self._newest: AuditEvent | None = None

    async def broken(self, span: Span) -> Break | None:
        """The first break."""
        await self._enter(span.start)
        while True:
            head = await self._head()  # before the page, which then has all that the head knows of
            page = await self._store.chain(self._node_id, self._sequence, PAGE)
            if not page:
                return self._at_end(head)
            for event in page:
                if span.end is not None and event.fact.timestamp >= span.end:
                    return None
                found = self._met(event, head)
                if found is not None:
                    return found

    async def _enter(self, start: datetime | None) -> None:
        """Begin at the last event before a time: that is believed, and what follows it is not."""
        anchor = await self._store.anchor(self._node_id, start) if start is not None else None
        if anchor is not None:
            self._sequence, self._last = anchor.sequence - 1, None

    async def _head(self) -> ChainHead:
        heads = await self._store.heads(self._node_id)
        return heads[0] if heads else ChainHead(self._node_id, 0, FIRST_HASH)

    def _met(self, event: AuditEvent, head: ChainHead) -> Break | None:
        self._verdict.events += 1
        found = broken(event, self._sequence + 1, self._last)
        self._sequence, self._last = event.sequence, event.hash
        if found is None and event.sequence == head.sequence and event.hash != head.hash:
            why = "it is not the event that the node wrote last: the chain was written anew"
            return Break(self._node_id, event.sequence, why, event.fact.id, head.hash, event.hash)
        self._newest = event
        return found

    def _at_end(self, head: ChainHead) -> Break | None:
        if self._sequence < head.sequence:
            why = f"it was removed: the node wrote {head.sequence} events"
            return missing(self._node_id, self._sequence + 1, why)
        if self._newest is not None and self._sequence > head.sequence:
            return inserted(self._newest, head)
        return None
