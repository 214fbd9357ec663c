"""Rows of the audit to the events they stand for, and back; and the statements with more to them."""

from __future__ import annotations

from collections.abc import Sequence

import orjson
from sqlalchemy import ColumnElement, RowMapping, Select, func, select, text

from a2a_node.model.audit import AuditDecision, AuditEvent, AuditFilter, AuditOutcome, Fact, Span
from a2a_node.store.audit_tables import audit_log as log

CHANNEL = "a2a_audit"
SAME = (
    *("action", "reason", "target", "user_id", "agent_id", "server_id"),
    *("ip_address", "user_agent", "trace_id", "call_id", "timestamp"),
)
EQUAL = ("user_id", "agent_id", "server_id", "node_id", "decision", "outcome", "trace_id", "call_id")

# the row is held until the commit: one writer of a chain at a time, whoever takes itself for that node
CHAIN = text("""
INSERT INTO audit_chains (node_id) VALUES (:node)
ON CONFLICT (node_id) DO UPDATE SET node_id = excluded.node_id
RETURNING sequence, hash
""")

KNOWN = text("SELECT id FROM audit_log WHERE id = ANY(CAST(:ids AS uuid[]))")

# one round trip, and all other nodes wait for its commit: count, append, move the chain's end, tell all
APPEND = text(f"""
WITH next AS (
  UPDATE audit_position SET position = position + CAST(:count AS bigint) RETURNING position
), written AS (
  INSERT INTO audit_log (id, "timestamp", node_id, sequence, position, action, target, user_id, agent_id, server_id,
    decision, outcome, reason, ip_address, user_agent, trace_id, call_id, call_path, metadata, previous_hash, hash)
  SELECT id, "timestamp", CAST(:node AS text), sequence, next.position - (CAST(:last AS bigint) - sequence), action,
    target, user_id, agent_id, server_id, decision, outcome, reason, ip_address, user_agent, trace_id, call_id,
    call_path, metadata, previous_hash, hash
  FROM next, jsonb_to_recordset(CAST(CAST(:rows AS text) AS jsonb)) AS row(
    id uuid, "timestamp" timestamptz, sequence bigint, action text, target text, user_id text, agent_id text,
    server_id text, decision text, outcome text, reason text, ip_address text, user_agent text, trace_id text,
    call_id text, call_path text[], metadata jsonb, previous_hash text, hash text)
), moved AS (
  UPDATE audit_chains SET sequence = CAST(:last AS bigint), hash = CAST(:hash AS text)
  WHERE node_id = CAST(:node AS text)
)
SELECT position, pg_notify('{CHANNEL}', position::text) FROM next
""")  # noqa: S608  # a constant of this module


def event_from(row: RowMapping) -> AuditEvent:
    """The event of a row."""
    fact = Fact(
        id=str(row["id"]),
        decision=AuditDecision(row["decision"]),
        outcome=AuditOutcome(row["outcome"]),
        call_path=tuple(row["call_path"]),
        metadata=row["metadata"],
        **{name: row[name] for name in SAME},
    )
    chain = {name: row[name] for name in ("node_id", "sequence", "previous_hash", "hash", "position")}
    return AuditEvent(fact, missing=int(row.get("missing", 0)), **chain)


def rows_of(events: Sequence[AuditEvent]) -> str:
    """What the table keeps of events, as JSON."""
    return orjson.dumps([_row(event) for event in events]).decode()


def after(position: int, limit: int) -> Select[tuple[object, ...]]:
    """The events after a position, each with the holes before it: a chain's events are counted without any."""
    before = log.alias("before")
    last = select(func.max(before.c.sequence)).where(
        before.c.node_id == log.c.node_id, before.c.sequence < log.c.sequence
    )
    missing = (log.c.sequence - 1 - func.coalesce(last.scalar_subquery(), 0)).label("missing")
    return select(log, missing).where(log.c.position > position).order_by(log.c.position).limit(limit)


def _row(event: AuditEvent) -> dict[str, object]:
    fact = event.fact
    return {
        "id": fact.id,
        "decision": fact.decision.value,
        "outcome": fact.outcome.value,
        "call_path": fact.call_path,
        "metadata": dict(fact.metadata),
        "sequence": event.sequence,
        "previous_hash": event.previous_hash,
        "hash": event.hash,
        **{name: getattr(fact, name) for name in SAME},
    }


def listed(wanted: AuditFilter, span: Span, before: int | None, limit: int) -> Select[tuple[object, ...]]:
    """The events that fit a filter, the newest first."""
    fits: list[ColumnElement[bool]] = [
        log.c[name] == value for name in EQUAL if (value := getattr(wanted, name)) not in ("", None)
    ]
    if wanted.action.endswith("*"):
        fits.append(log.c.action.startswith(wanted.action[:-1], autoescape=True))
    elif wanted.action:
        fits.append(log.c.action == wanted.action)
    if span.start is not None:
        fits.append(log.c.timestamp >= span.start)
    if span.end is not None:
        fits.append(log.c.timestamp < span.end)
    if before is not None:
        fits.append(log.c.position < before)
    return select(log).where(*fits).order_by(log.c.position.desc()).limit(limit)
