"""The tables of the audit: events, the ends of their chains, and the newest position."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Table, Text, UniqueConstraint, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from a2a_node.store.columns import Time, counter, metadata

# Events are only ever appended; a trigger of the migration refuses all else. A chain's end stands apart from its
# events, so that what is removed there is missed. Positions count in the order of writing over all chains.
audit_chains = Table(
    "audit_chains",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False, server_default=text("0")),
    Column("hash", Text, nullable=False, server_default=text("repeat('0', 64)")),
)

audit_position = counter("audit_position", "position")

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("timestamp", Time, nullable=False, index=True),
    Column("node_id", Text, ForeignKey("audit_chains.node_id"), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("position", BigInteger, nullable=False, unique=True),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("user_id", Text, nullable=False),
    Column("agent_id", Text, nullable=False),
    Column("server_id", Text, nullable=False),
    Column("decision", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("ip_address", Text, nullable=False),
    Column("user_agent", Text, nullable=False),
    Column("trace_id", Text, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("call_path", ARRAY(Text), nullable=False),
    Column("metadata", JSONB, nullable=False),
    Column("previous_hash", Text, nullable=False),
    Column("hash", Text, nullable=False),
    UniqueConstraint("node_id", "sequence"),
    *(
        Index(f"ix_audit_log_{name}", name, "position")
        for name in ("action", "user_id", "agent_id", "trace_id", "call_id")
    ),
)
