"""Schedules of workflow templates: whose authority a version was put by, and which minute was taken up last."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the column and the table."""
    op.add_column(
        "workflow_templates", sa.Column("authority", sa.LargeBinary, server_default=sa.text("''"), nullable=False)
    )
    op.create_table(
        "workflow_schedules",
        sa.Column("template", sa.Text, nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("outcome", sa.Text, server_default=sa.text("''"), nullable=False),
        sa.PrimaryKeyConstraint("template", name="pk_workflow_schedules"),
    )


def downgrade() -> None:
    """Drop them: what was put keeps its schedule, and starts nothing."""
    op.drop_table("workflow_schedules")
    op.drop_column("workflow_templates", "authority")
