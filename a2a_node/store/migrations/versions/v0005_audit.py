"""The audit: events in chains, only ever appended."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

TEXTS = (
    *("action", "target", "user_id", "agent_id", "server_id", "decision", "outcome", "reason"),
    *("ip_address", "user_agent", "trace_id", "call_id"),
)

REFUSE = """
CREATE FUNCTION audit_log_refuses() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'audit_log is append-only: % is refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END
$$
"""
APPEND_ONLY = """
CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION audit_log_refuses()
"""


def upgrade() -> None:
    """Make the tables, and let nobody change what was written."""
    op.create_table(
        "audit_chains",
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("hash", sa.Text, server_default=sa.text("repeat('0', 64)"), nullable=False),
        sa.PrimaryKeyConstraint("node_id", name="pk_audit_chains"),
    )
    positions = op.create_table(
        "audit_position",
        sa.Column("only", sa.Boolean, server_default=sa.text("true"), nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("only", name="pk_audit_position"),
        sa.CheckConstraint('"only"', name=op.f("ck_audit_position_only")),
    )
    op.bulk_insert(positions, [{"position": 0}])
    _log()
    op.execute(REFUSE)
    op.execute(APPEND_ONLY)


def downgrade() -> None:
    """Drop the tables, with what is in them."""
    for table in ("audit_log", "audit_position", "audit_chains"):
        op.drop_table(table)
    op.execute("DROP FUNCTION audit_log_refuses()")


def _log() -> None:
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid, nullable=False),
        sa.Column("timestamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("node_id", sa.Text, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in TEXTS),
        sa.Column("call_path", postgresql.ARRAY(sa.Text), nullable=False),
        sa.Column("metadata", postgresql.JSONB, nullable=False),
        sa.Column("previous_hash", sa.Text, nullable=False),
        sa.Column("hash", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_audit_log"),
        sa.UniqueConstraint("node_id", "sequence", name="uq_audit_log_node_id_sequence"),
        sa.UniqueConstraint("position", name="uq_audit_log_position"),
        sa.ForeignKeyConstraint(["node_id"], ["audit_chains.node_id"], name="fk_audit_log_node_id"),
    )
    op.create_index("ix_audit_log_timestamp", "audit_log", ["timestamp"])
    for column in ("action", "user_id", "agent_id", "trace_id", "call_id"):
        op.create_index(f"ix_audit_log_{column}", "audit_log", [column, "position"])
