"""The tables of who may do what: grants and requests, keys, secrets of the mesh, freezes."""

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

grants_revision = counter("grants_revision", "revision")

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

keys_revision = counter("keys_revision", "revision")

# Whoever reads these can speak as any node: they are as good as the database's own password.
mesh_secrets = Table(
    "mesh_secrets",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("key", LargeBinary, nullable=False),
    Column("made_at", Time, nullable=False),
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

freezes_revision = counter("freezes_revision", "revision")
