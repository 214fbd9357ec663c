"""The audit in Postgres: one transaction for a batch of events, which every node hears of."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from uuid import UUID

from sqlalchemy import select

from a2a_node.model.audit import AuditEvent, AuditFilter, ChainHead, Fact, Span, chained
from a2a_node.store import audit_rows as rows
from a2a_node.store.audit_tables import audit_chains, audit_log, audit_position
from a2a_node.store.postgres import Postgres, Transaction
from a2a_node.store.revisions import QUIET, listening


class PostgresAuditLog:
    """The port `AuditLog` on Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def append(self, node_id: str, facts: Sequence[Fact]) -> Sequence[AuditEvent]:
        """Keep facts at the end of a node's chain; a batch whose answer was lost may come again."""
        async with self._postgres.writing() as transaction:
            (end,) = await transaction.fetch(rows.CHAIN, {"node": node_id})
            new = await _unknown(transaction, facts)
            events = chained(node_id, new, end["sequence"], end["hash"])
            if events:
                await transaction.fetch(rows.APPEND, _appended(node_id, events))
            return events

    async def list(self, wanted: AuditFilter, span: Span, before: int | None, limit: int) -> Sequence[AuditEvent]:
        """Events that fit, the newest first."""
        found = await self._postgres.fetch(rows.listed(wanted, span, before, limit))
        return [rows.event_from(row) for row in found]

    async def after(self, position: int, limit: int) -> Sequence[AuditEvent]:
        """Events after a position, in the order of writing."""
        found = await self._postgres.fetch(rows.after(position, limit))
        return [rows.event_from(row) for row in found]

    async def position(self) -> int:
        """The position of the newest event."""
        return int((await self._postgres.fetch(select(audit_position.c.position)))[0]["position"])

    async def heads(self, node_id: str = "") -> Sequence[ChainHead]:
        """The ends of all chains, or of one."""
        asked = select(audit_chains).order_by(audit_chains.c.node_id)
        found = await self._postgres.fetch(asked.where(audit_chains.c.node_id == node_id) if node_id else asked)
        return [ChainHead(row["node_id"], row["sequence"], row["hash"]) for row in found]

    async def chain(self, node_id: str, after: int, limit: int) -> Sequence[AuditEvent]:
        """Events of a chain after a sequence."""
        asked = select(audit_log).where(audit_log.c.node_id == node_id, audit_log.c.sequence > after)
        found = await self._postgres.fetch(asked.order_by(audit_log.c.sequence).limit(limit))
        return [rows.event_from(row) for row in found]

    async def anchor(self, node_id: str, before: datetime) -> AuditEvent | None:
        """The last event of a chain before a time."""
        asked = select(audit_log).where(audit_log.c.node_id == node_id, audit_log.c.timestamp < before)
        found = await self._postgres.fetch(asked.order_by(audit_log.c.sequence.desc()).limit(1))
        return rows.event_from(found[0]) if found else None

    def positions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of new positions as they are committed."""
        return listening(self._postgres.dial, QUIET, rows.CHANNEL)


async def _unknown(transaction: Transaction, facts: Sequence[Fact]) -> Sequence[Fact]:
    known = await transaction.fetch(rows.KNOWN, {"ids": [UUID(fact.id) for fact in facts]})
    ids = {str(row["id"]) for row in known}
    return [fact for fact in facts if fact.id not in ids]


def _appended(node_id: str, events: Sequence[AuditEvent]) -> dict[str, object]:
    return {
        "node": node_id,
        "count": len(events),
        "rows": rows.rows_of(events),
        "last": events[-1].sequence,
        "hash": events[-1].hash,
    }
