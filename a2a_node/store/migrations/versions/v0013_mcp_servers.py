"""MCP servers, and their copies on the nodes that run them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NOW, EMPTY, ZERO = sa.text("clock_timestamp()"), sa.text("''"), sa.text("0")
STATUSES = "status IN ('running', 'starting', 'stopped', 'unhealthy', 'failed', 'quarantined')"


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "mcp_servers",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("config", JSONB, nullable=False),
        sa.Column("secrets", sa.Text, server_default=EMPTY, nullable=False),
        sa.Column("wish", sa.Text, nullable=False),
        sa.Column("generation", sa.BigInteger, server_default=sa.text("1"), nullable=False),
        sa.Column("starts", sa.BigInteger, server_default=ZERO, nullable=False),
        sa.Column("grace", sa.Double, server_default=sa.text("5"), nullable=False),
        sa.Column("restarts", sa.BigInteger, server_default=ZERO, nullable=False),
        sa.Column("last_restart", TIME),
        sa.Column("last_health_check", TIME),
        sa.Column("health_status", sa.Text, server_default=EMPTY, nullable=False),
        sa.Column("problem", sa.Text, server_default=EMPTY, nullable=False),
        sa.Column("tools", JSONB, server_default=sa.text("'[]'"), nullable=False),
        sa.Column("holder", sa.Text, server_default=EMPTY, nullable=False),
        sa.Column("held_until", TIME),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("updated_at", TIME, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mcp_servers"),
        sa.CheckConstraint(STATUSES, name=op.f("ck_mcp_servers_status")),
        sa.CheckConstraint("type IN ('stdio', 'http')", name=op.f("ck_mcp_servers_type")),
        sa.CheckConstraint("wish IN ('run', 'stop')", name=op.f("ck_mcp_servers_wish")),
    )
    op.create_table(
        "mcp_server_copies",
        sa.Column("server_id", sa.Text, nullable=False),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("health_status", sa.Text, server_default=EMPTY, nullable=False),
        sa.Column("restarts", sa.BigInteger, server_default=ZERO, nullable=False),
        sa.Column("started_at", TIME),
        sa.Column("retry_at", TIME),
        sa.Column("problem", sa.Text, server_default=EMPTY, nullable=False),
        sa.Column("lives_until", TIME, nullable=False),
        sa.PrimaryKeyConstraint("server_id", "node_id", name="pk_mcp_server_copies"),
        sa.ForeignKeyConstraint(
            ["server_id"],
            ["mcp_servers.id"],
            name=op.f("fk_mcp_server_copies_server_id_mcp_servers"),
            ondelete="CASCADE",
        ),
        sa.CheckConstraint(STATUSES, name=op.f("ck_mcp_server_copies_status")),
    )
    revisions = op.create_table(
        "mcp_servers_revision",
        sa.Column("only", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_mcp_servers_revision"),
        sa.CheckConstraint('"only"', name=op.f("ck_mcp_servers_revision_only")),
    )
    op.bulk_insert(revisions, [{"revision": 0}])


def downgrade() -> None:
    """Drop all tables, with what is in them."""
    for table in ("mcp_servers_revision", "mcp_server_copies", "mcp_servers"):
        op.drop_table(table)
