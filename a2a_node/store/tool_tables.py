"""The tables of MCP servers."""

from __future__ import annotations

from sqlalchemy import BigInteger, CheckConstraint, Column, Double, ForeignKey, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from a2a_node.store.columns import NOW, Time, counter, metadata

EMPTY, ZERO = text("''"), text("0")
STATUSES = "('running', 'starting', 'stopped', 'unhealthy', 'failed', 'quarantined')"

mcp_servers = Table(
    "mcp_servers",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("status", Text, nullable=False),  # the worst of its copies as they said last
    Column("config", JSONB, nullable=False),  # without the values of its secrets
    Column("secrets", Text, nullable=False, server_default=EMPTY),  # those values, sealed
    Column("wish", Text, nullable=False),
    Column("generation", BigInteger, nullable=False, server_default=text("1")),
    Column("starts", BigInteger, nullable=False, server_default=ZERO),
    Column("grace", Double, nullable=False, server_default=text("5")),  # seconds
    Column("restarts", BigInteger, nullable=False, server_default=ZERO),
    Column("last_restart", Time),
    Column("last_health_check", Time),
    Column("health_status", Text, nullable=False, server_default=EMPTY),
    Column("problem", Text, nullable=False, server_default=EMPTY),
    Column("tools", JSONB, nullable=False, server_default=text("'[]'")),  # objects with the fields of ServerTool
    Column("holder", Text, nullable=False, server_default=EMPTY),
    Column("held_until", Time),
    Column("created_at", Time, nullable=False, server_default=NOW),
    Column("updated_at", Time, nullable=False, server_default=NOW),
    CheckConstraint(f"status IN {STATUSES}", name="status"),
    CheckConstraint("type IN ('stdio', 'http')", name="type"),
    CheckConstraint("wish IN ('run', 'stop')", name="wish"),
)

mcp_server_copies = Table(
    "mcp_server_copies",
    metadata,
    Column("server_id", Text, ForeignKey("mcp_servers.id", ondelete="CASCADE"), primary_key=True),
    Column("node_id", Text, primary_key=True),
    Column("status", Text, nullable=False),
    Column("health_status", Text, nullable=False, server_default=EMPTY),
    Column("restarts", BigInteger, nullable=False, server_default=ZERO),
    Column("started_at", Time),
    Column("retry_at", Time),
    Column("problem", Text, nullable=False, server_default=EMPTY),
    Column("lives_until", Time, nullable=False),
    CheckConstraint(f"status IN {STATUSES}", name="status"),
)

mcp_servers_revision = counter("mcp_servers_revision", "revision")
