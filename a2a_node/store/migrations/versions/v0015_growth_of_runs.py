"""How many steps runs have with all that they started."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; runs that began before are counted from their next step on."""
    op.create_table(
        "workflow_growth",
        sa.Column("run_id", sa.Text, nullable=False),
        sa.Column("steps", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_workflow_growth"),
        sa.ForeignKeyConstraint(["run_id"], ["workflow_runs.id"], ondelete="CASCADE", name="fk_workflow_growth_run_id"),
    )


def downgrade() -> None:
    """Drop it."""
    op.drop_table("workflow_growth")
