"""The registry (agents, nodes, instances and what changed) and persisted sessions."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    """Make all tables."""
    _agents()
    _nodes()
    _instances()
    _sessions()
    _changes()


def downgrade() -> None:
    """Drop all tables, with what is in them."""
    for table in ("registry_changes", "registry_revision", "sessions", "instances", "nodes", "agents"):
        op.drop_table(table)


def _agents() -> None:
    op.create_table(
        "agents",
        sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("category", sa.Text, nullable=False),
        sa.Column("tags", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("enabled", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("deployed_at", TIME, server_default=NOW, nullable=False),
        sa.Column("config", postgresql.JSONB, nullable=False),
        sa.Column("capabilities", postgresql.JSONB, nullable=False),
        sa.Column("max_revisits", sa.BigInteger, nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.Column("revision", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_agents"),
        sa.UniqueConstraint("name", name="uq_agents_name"),
    )


def _nodes() -> None:
    op.create_table(
        "nodes",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("peer_address", sa.Text, nullable=False),
        sa.Column("region", sa.Text, nullable=False),
        sa.Column("zone", sa.Text, nullable=False),
        sa.Column("labels", postgresql.JSONB, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("started_at", TIME, server_default=NOW, nullable=False),
        sa.Column("lease_until", TIME, nullable=False),
        sa.Column("revision", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_nodes"),
        sa.CheckConstraint("status IN ('alive', 'draining', 'suspect', 'gone')", name=op.f("ck_nodes_status")),
    )


def _instances() -> None:
    op.create_table(
        "instances",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("node", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("address", sa.Text, nullable=False),
        sa.Column("version", sa.Text, nullable=False),
        sa.Column("lease_seconds", sa.Double, nullable=False),
        sa.Column("lease_until", TIME),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_instances"),
        sa.ForeignKeyConstraint(["agent"], ["agents.name"], name="fk_instances_agent", ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["node"], ["nodes.id"], name="fk_instances_node", ondelete="CASCADE"),
        sa.CheckConstraint("kind IN ('hosted', 'attached', 'endpoint')", name=op.f("ck_instances_kind")),
    )
    op.create_index("ix_instances_agent", "instances", ["agent"])
    op.create_index("ix_instances_node", "instances", ["node"])
    op.create_index(
        "ix_instances_lease_until", "instances", ["lease_until"], postgresql_where=sa.text("lease_until IS NOT NULL")
    )


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("session_id", sa.Text, nullable=False),
        sa.Column("agent_id", sa.Text, nullable=False),
        sa.Column("user_id", sa.Text, nullable=False),
        sa.Column("data", postgresql.JSONB, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("ttl", sa.Double, nullable=False),
        sa.Column("created_at", TIME, nullable=False),
        sa.Column("last_accessed", TIME, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("session_id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"])
    op.create_index("ix_sessions_expires_at", "sessions", ["expires_at"])
    op.create_index("ix_sessions_created_at", "sessions", ["created_at", "session_id"])


def _changes() -> None:
    revisions = op.create_table(
        "registry_revision",
        sa.Column("only", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_registry_revision"),
        sa.CheckConstraint('"only"', name=op.f("ck_registry_revision_only")),
    )
    op.bulk_insert(revisions, [{"revision": 0}])
    op.create_table(
        "registry_changes",
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name="pk_registry_changes"),
        sa.CheckConstraint("kind IN ('agent', 'node')", name=op.f("ck_registry_changes_kind")),
    )
    op.create_index("ix_registry_changes_revision", "registry_changes", ["revision"])
