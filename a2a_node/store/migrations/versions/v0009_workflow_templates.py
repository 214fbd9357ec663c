"""Workflow templates, every version of each."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table."""
    op.create_table(
        "workflow_templates",
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("tags", ARRAY(sa.Text), nullable=False),
        sa.Column("inputs", JSONB, nullable=False),
        sa.Column("timeout", sa.Double, nullable=False),
        sa.Column("schedule", sa.Text, nullable=False),
        sa.Column("max_concurrent_runs", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("name", "version", name="pk_workflow_templates"),
    )


def downgrade() -> None:
    """Drop the table, with what is in it."""
    op.drop_table("workflow_templates")
