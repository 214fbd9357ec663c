"""The tables of a mesh in Postgres, as the newest migration leaves them; a test compares the two."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

Time = DateTime(timezone=True)
NOW = text("clock_timestamp()")  # now() would be the start of the transaction, before it waited for its turn

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

registry_revision = Table(
    "registry_revision",
    metadata,
    Column("only", Boolean, primary_key=True, server_default=text("true")),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint('"only"', name="only"),
)

# One row for each name, with the revision of its latest change: it cannot outgrow the names there were lately.
registry_changes = Table(
    "registry_changes",
    metadata,
    Column("kind", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False, index=True),
    CheckConstraint("kind IN ('agent', 'node')", name="kind"),
)

# Grants are never deleted: they are the record of who could do what.
permission_grants = Table(
    "permission_grants",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("granted_by", Text, nullable=False),
    Column("granted_to", Text, nullable=False, index=True),
    Column("permission", Text, nullable=False),
    Column("delegable", Boolean, nullable=False),
    Column("depth", BigInteger, nullable=False),
    Column("expires_at", Time),
    Column("conditions", ARRAY(Text), nullable=False),
    Column("parent", Uuid, ForeignKey("permission_grants.id"), index=True),
    Column("granted_at", Time, nullable=False, server_default=NOW),
    Column("revoked", Boolean, nullable=False, server_default=text("false")),
    Column("revoked_at", Time),
    Column("uses", BigInteger, nullable=False, server_default=text("0")),  # counted out to nodes
    Column("revision", BigInteger, nullable=False, server_default=text("0"), index=True),
    Index("ix_permission_grants_granted_at_id", "granted_at", "id"),
)

permission_requests = Table(
    "permission_requests",
    metadata,
    Column("id", Uuid, primary_key=True, server_default=text("gen_random_uuid()")),
    Column("requester", Text, nullable=False),
    Column("permission", Text, nullable=False),
    Column("justification", Text, nullable=False),
    Column("ttl", Double),  # seconds, from the decision
    Column("status", Text, nullable=False, server_default=text("'pending'")),
    Column("decided_by", Text, nullable=False, server_default=text("''")),
    Column("decided_at", Time),
    Column("comment", Text, nullable=False, server_default=text("''")),
    Column("grant_id", Uuid, ForeignKey("permission_grants.id")),
    Column("created_at", Time, nullable=False, server_default=NOW),
    Column("expires_at", Time, nullable=False),
    CheckConstraint("status IN ('pending', 'approved', 'denied', 'expired')", name="status"),
    Index("ix_permission_requests_created_at_id", "created_at", "id"),
    Index(
        "uq_permission_requests_pending",
        *("requester", "permission"),
        unique=True,
        postgresql_where=text("status = 'pending'"),
    ),
)

# Events are only ever appended; a trigger of the migration refuses all else. A chain's end stands apart from its
# events, so that what is removed there is missed. Positions count in the order of writing over all chains.
audit_chains = Table(
    "audit_chains",
    metadata,
    Column("node_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False, server_default=text("0")),
    Column("hash", Text, nullable=False, server_default=text("repeat('0', 64)")),
)

audit_position = Table(
    "audit_position",
    metadata,
    Column("only", Boolean, primary_key=True, server_default=text("true")),
    Column("position", BigInteger, nullable=False),
    CheckConstraint('"only"', name="only"),
)

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

grants_revision = Table(
    "grants_revision",
    metadata,
    Column("only", Boolean, primary_key=True, server_default=text("true")),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint('"only"', name="only"),
)

# Keys are never deleted: they are the record of who could call.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the whole key
    Column("principal", Text, nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("permissions", ARRAY(Text), nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Time, nullable=False, server_default=NOW),
    Column("expires_at", Time),
    Column("last_used_at", Time),
    Column("revoked", Boolean, nullable=False, server_default=text("false")),
    Column("revoked_at", Time),
    Column("revision", BigInteger, nullable=False, server_default=text("0"), index=True),
    Index("ix_api_keys_created_at_id", "created_at", "id"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("purpose", Text, nullable=False),
    Column("public", Text, nullable=False),  # PEM
    Column("private", Text, nullable=False),  # PEM, encrypted where the mesh has a secret
    Column("created_at", Time, nullable=False, server_default=NOW),
    CheckConstraint("purpose IN ('tokens', 'nodes')", name="purpose"),
)

keys_revision = Table(
    "keys_revision",
    metadata,
    Column("only", Boolean, primary_key=True, server_default=text("true")),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint('"only"', name="only"),
)

# Whoever reads these can speak as any node: they are as good as the database's own password.
mesh_secrets = Table(
    "mesh_secrets",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("made_at", Time, nullable=False),
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

limits_revision = Table(
    "limits_revision",
    metadata,
    Column("only", Boolean, primary_key=True, server_default=text("true")),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint('"only"', name="only"),
)

freezes = Table(
    "freezes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", Time, nullable=False, server_default=NOW),
    Column("expires_at", Time),
    Column("lifted_by", Text, nullable=False, server_default=text("''")),
    Column("lifted_at", Time),
    Column("revision", BigInteger, nullable=False, server_default=text("0"), index=True),
    CheckConstraint("kind IN ('agent', 'principal', 'call')", name="kind"),
    Index("ix_freezes_kind_name", "kind", "name"),
    Index("ix_freezes_created_at_id", "created_at", "id"),
)

freeze_progress = Table(
    "freeze_progress",
    metadata,
    Column("freeze_id", Text, ForeignKey("freezes.id", ondelete="CASCADE"), primary_key=True),
    Column("node_id", Text, primary_key=True),
    Column("stopped", BigInteger, nullable=False),
    Column("stopping", BigInteger, nullable=False),
    Column("unconfirmed", JSONB, nullable=False, server_default=text("'[]'")),
)

freezes_revision = Table(
    "freezes_revision",
    metadata,
    Column("only", Boolean, primary_key=True, server_default=text("true")),
    Column("revision", BigInteger, nullable=False),
    CheckConstraint('"only"', name="only"),
)

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
)
