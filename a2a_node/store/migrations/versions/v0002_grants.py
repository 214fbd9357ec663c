"""Grants of permissions, and requests for them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

TIME = sa.DateTime(timezone=True)
NOW = sa.text("clock_timestamp()")


def upgrade() -> None:
    """Make all tables."""
    _grants()
    _requests()
    revisions = op.create_table(
        "grants_revision",
        sa.Column("only", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("revision", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_grants_revision"),
        sa.CheckConstraint('"only"', name=op.f("ck_grants_revision_only")),
    )
    op.bulk_insert(revisions, [{"revision": 0}])


def downgrade() -> None:
    """Drop all tables, with what is in them."""
    for table in ("grants_revision", "permission_requests", "permission_grants"):
        op.drop_table(table)


def _grants() -> None:
    op.create_table(
        "permission_grants",
        sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("granted_by", sa.Text, nullable=False),
        sa.Column("granted_to", sa.Text, nullable=False),
        sa.Column("permission", sa.Text, nullable=False),
        sa.Column("delegable", sa.Boolean, nullable=False),
        sa.Column("depth", sa.BigInteger, nullable=False),
        sa.Column("expires_at", TIME),
        sa.Column("conditions", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("parent", sa.Uuid),
        sa.Column("granted_at", TIME, server_default=NOW, nullable=False),
        sa.Column("revoked", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("revoked_at", TIME),
        sa.Column("uses", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("revision", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_permission_grants"),
        sa.ForeignKeyConstraint(["parent"], ["permission_grants.id"], name="fk_permission_grants_parent"),
    )
    for column in ("granted_to", "parent", "revision"):
        op.create_index(f"ix_permission_grants_{column}", "permission_grants", [column])
    op.create_index("ix_permission_grants_granted_at_id", "permission_grants", ["granted_at", "id"])


def _requests() -> None:
    op.create_table(
        "permission_requests",
        sa.Column("id", sa.Uuid, server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("requester", sa.Text, nullable=False),
        sa.Column("permission", sa.Text, nullable=False),
        sa.Column("justification", sa.Text, nullable=False),
        sa.Column("ttl", sa.Double),
        sa.Column("status", sa.Text, server_default=sa.text("'pending'"), nullable=False),
        sa.Column("decided_by", sa.Text, server_default=sa.text("''"), nullable=False),
        sa.Column("decided_at", TIME),
        sa.Column("comment", sa.Text, server_default=sa.text("''"), nullable=False),
        sa.Column("grant_id", sa.Uuid),
        sa.Column("created_at", TIME, server_default=NOW, nullable=False),
        sa.Column("expires_at", TIME, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_permission_requests"),
        sa.ForeignKeyConstraint(["grant_id"], ["permission_grants.id"], name="fk_permission_requests_grant_id"),
        sa.CheckConstraint(
            "status IN ('pending', 'approved', 'denied', 'expired')", name=op.f("ck_permission_requests_status")
        ),
    )
    op.create_index("ix_permission_requests_created_at_id", "permission_requests", ["created_at", "id"])
    op.create_index(
        "uq_permission_requests_pending",
        "permission_requests",
        ["requester", "permission"],
        unique=True,
        postgresql_where=sa.text("status = 'pending'"),
    )
