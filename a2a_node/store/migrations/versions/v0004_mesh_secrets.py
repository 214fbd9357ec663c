"""Secrets that all nodes share, to know each other's word by."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table; the first node makes the first secret."""
    op.create_table(
        "mesh_secrets",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("key", sa.LargeBinary, nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mesh_secrets"),
    )


def downgrade() -> None:
    """Drop the table; the nodes no longer know each other's word."""
    op.drop_table("mesh_secrets")
