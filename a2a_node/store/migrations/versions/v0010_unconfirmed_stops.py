"""Which calls a node has not confirmed to have stopped."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Of freezes before this, nodes name none."""
    column = sa.Column("unconfirmed", JSONB, server_default=sa.text("'[]'"), nullable=False)
    op.add_column("freeze_progress", column)


def downgrade() -> None:
    """How many they are stays known."""
    op.drop_column("freeze_progress", "unconfirmed")
