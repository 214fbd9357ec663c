"""Agents that call others only at work."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nobody is bound to it before it is asked for."""
    column = sa.Column("needs_call_token", sa.Boolean, server_default=sa.text("false"), nullable=False)
    op.add_column("agents", column)


def downgrade() -> None:
    """Whoever was bound to it is free again."""
    op.drop_column("agents", "needs_call_token")
