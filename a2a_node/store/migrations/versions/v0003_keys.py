"""API keys, and the keys that the mesh signs with."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    """Make all tables."""
    _api_keys()
    op.create_table(
        "signing_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("public", sa.Text, nullable=False),
        sa.Column("private", sa.Text, nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_signing_keys"),
        sa.CheckConstraint("purpose IN ('tokens', 'nodes')", name=op.f("ck_signing_keys_purpose")),
    )
    revisions = op.create_table(
        "keys_revision",
        sa.Column("only", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_keys_revision"),
        sa.CheckConstraint('"only"', name=op.f("ck_keys_revision_only")),
    )
    op.bulk_insert(revisions, [{"revision": 0}])


def downgrade() -> None:
    """Drop all tables, with what is in them."""
    for table in ("keys_revision", "signing_keys", "api_keys"):
        op.drop_table(table)


def _api_keys() -> None:
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("permissions", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("last_used_at", TIME),
        sa.Column("revoked", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("revoked_at", TIME),
        sa.Column("revision", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
    )
    for column in ("principal", "revision"):
        op.create_index(f"ix_api_keys_{column}", "api_keys", [column])
    op.create_index("ix_api_keys_created_at_id", "api_keys", ["created_at", "id"])
