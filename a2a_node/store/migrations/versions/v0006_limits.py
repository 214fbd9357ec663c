"""Limits that were set."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "limits",
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("agent", sa.Text, nullable=False),
        sa.Column("capability", sa.Text, nullable=False),
        sa.Column("rate", sa.Double, nullable=False),
        sa.Column("burst", sa.BigInteger, nullable=False),
        sa.Column("updated_by", sa.Text, nullable=False),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("principal", "agent", "capability", name="pk_limits"),
    )
    revisions = op.create_table(
        "limits_revision",
        sa.Column("only", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_limits_revision"),
        sa.CheckConstraint('"only"', name=op.f("ck_limits_revision_only")),
    )
    op.bulk_insert(revisions, [{"revision": 0}])


def downgrade() -> None:
    """Drop all tables, with what is in them."""
    for table in ("limits_revision", "limits"):
        op.drop_table(table)
