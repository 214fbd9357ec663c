"""Freezes, and what nodes have confirmed of them."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "freezes",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_at", TIME, server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("lifted_by", sa.Text, server_default=sa.text("''"), nullable=False),
        sa.Column("lifted_at", TIME),
        sa.Column("revision", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_freezes"),
        sa.CheckConstraint("kind IN ('agent', 'principal', 'call')", name=op.f("ck_freezes_kind")),
    )
    op.create_index("ix_freezes_revision", "freezes", ["revision"])
    op.create_index("ix_freezes_kind_name", "freezes", ["kind", "name"])
    op.create_index("ix_freezes_created_at_id", "freezes", ["created_at", "id"])
    op.create_table(
        "freeze_progress",
        sa.Column("freeze_id", sa.Text, nullable=False),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("stopped", sa.BigInteger, nullable=False),
        sa.Column("stopping", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("freeze_id", "node_id", name="pk_freeze_progress"),
        sa.ForeignKeyConstraint(
            ["freeze_id"], ["freezes.id"], name=op.f("fk_freeze_progress_freeze_id_freezes"), ondelete="CASCADE"
        ),
    )
    revisions = op.create_table(
        "freezes_revision",
        sa.Column("only", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_freezes_revision"),
        sa.CheckConstraint('"only"', name=op.f("ck_freezes_revision_only")),
    )
    op.bulk_insert(revisions, [{"revision": 0}])


def downgrade() -> None:
    """Drop all tables, with what is in them."""
    for table in ("freezes_revision", "freeze_progress", "freezes"):
        op.drop_table(table)
