"""The tables of the registry, of sessions, limits and templates."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from a2a_node.store.columns import NOW, Time, counter, metadata

agents = Table(
    "agents",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("name", Text, nullable=False, unique=True),
    Column("version", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("category", Text, nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("owner", Text, nullable=False),
    Column("enabled", Boolean, nullable=False, server_default=text("true")),
    Column("deployed_at", Time, nullable=False, server_default=NOW),  # when this version was first registered
    Column("config", JSONB, nullable=False),
    Column("capabilities", JSONB, nullable=False),  # a list of objects with the fields of AgentCapability
    Column("max_revisits", BigInteger, nullable=False),
    Column("needs_call_token", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", Time, nullable=False, server_default=NOW),
    Column("updated_at", Time, nullable=False, server_default=NOW),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
)

nodes = Table(
    "nodes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("address", Text, nullable=False),
    Column("peer_address", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("zone", Text, nullable=False),
    Column("labels", JSONB, nullable=False),
    Column("version", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("started_at", Time, nullable=False, server_default=NOW),
    Column("lease_until", Time, nullable=False),
    Column("revision", BigInteger, nullable=False, server_default=text("0")),
    CheckConstraint("status IN ('alive', 'draining', 'suspect', 'gone')", name="status"),
)

instances = Table(
    "instances",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("agent", Text, ForeignKey("agents.name", ondelete="CASCADE"), nullable=False, index=True),
    Column("node", Text, ForeignKey("nodes.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("lease_seconds", Double, nullable=False),  # 0 when the node's lease holds it
    Column("lease_until", Time),
    Column("created_at", Time, nullable=False, server_default=NOW),
    CheckConstraint("kind IN ('hosted', 'attached', 'endpoint')", name="kind"),
    Index("ix_instances_lease_until", "lease_until", postgresql_where=text("lease_until IS NOT NULL")),
)

sessions = Table(
    "sessions",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("user_id", Text, nullable=False, index=True),
    Column("data", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("ttl", Double, nullable=False),  # seconds
    Column("created_at", Time, nullable=False),
    Column("last_accessed", Time, nullable=False),
    Column("expires_at", Time, nullable=False, index=True),
    Index("ix_sessions_created_at", "created_at", "session_id"),  # the order of lists
)

registry_revision = counter("registry_revision", "revision")

# One row for each name, with the revision of its latest change: it cannot outgrow the names there were lately.
registry_changes = Table(
    "registry_changes",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False, index=True),
    CheckConstraint("kind IN ('agent', 'node')", name="kind"),
)

# A part of the key that is empty stands for all.
limits = Table(
    "limits",
    metadata,
    Column("principal", Text, primary_key=True),
    Column("agent", Text, primary_key=True),
    Column("capability", Text, primary_key=True),
    Column("rate", Double, nullable=False),  # tokens a second
    Column("burst", BigInteger, nullable=False),
    Column("updated_by", Text, nullable=False),
    Column("updated_at", Time, nullable=False, server_default=NOW),
)

limits_revision = counter("limits_revision", "revision")

# Versions are never changed or deleted: runs go on with the one that they were started from.
workflow_templates = Table(
    "workflow_templates",
    metadata,
    Column("name", Text, primary_key=True),
    Column("version", BigInteger, primary_key=True),
    Column("source", Text, nullable=False),
    Column("description", Text, nullable=False),  # from here on what lists say, as it was read in the source
    Column("tags", ARRAY(Text), nullable=False),
    Column("inputs", JSONB, nullable=False),  # a list of objects with the fields of TemplateInput
    Column("timeout", Double, nullable=False),  # seconds
    Column("schedule", Text, nullable=False),
    Column("max_concurrent_runs", BigInteger, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Time, nullable=False, server_default=NOW),
    Column("authority", LargeBinary, nullable=False, server_default=text("''")),  # that its schedule starts runs by
)

# Which minute of a template's schedule was taken up last, by the node that has started its run, or is about to.
workflow_schedules = Table(
    "workflow_schedules",
    metadata,
    Column("template", Text, primary_key=True),
    Column("minute", Time, nullable=False),
    Column("taken_at", Time, nullable=False, server_default=NOW),
    Column("outcome", Text, nullable=False, server_default=text("''")),  # empty while nobody has said it
)
