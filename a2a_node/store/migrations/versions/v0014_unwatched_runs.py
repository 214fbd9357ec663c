"""Nobody says in Postgres that a run is watched."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop what said so."""
    op.drop_table("workflow_watches")


def downgrade() -> None:
    """Make it again."""
    op.create_table(
        "workflow_watches",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("watched_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_workflow_watches"),
    )
