"""Runs of workflows: the record, and the view of it that people query."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

VIEW = """
CREATE VIEW workflows AS SELECT
  id, name, description, status,
  (SELECT jsonb_agg(one.step ORDER BY one.position) FROM workflow_steps AS one WHERE one.run_id = run.id) AS steps,
  global_context, created_by, created_at, started_at, completed_at, metadata,
  template, template_version, inputs, output, error, nullif(parent_run_id, '') AS parent_run_id, expires_at,
  nullif(trace_id, '') AS trace_id, budget, completed_steps, total_steps, attempt_group, pausing, cancelling,
  reason AS cancel_reason
FROM workflow_runs AS run
"""


def upgrade() -> None:
    """Make the tables and the view."""
    _runs()
    op.create_table(
        "workflow_steps",
        _run(),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("step", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "id", name="pk_workflow_steps"),
        _owner("workflow_steps"),
    )
    op.create_table(
        "workflow_data",
        _run(),
        sa.Column("step_id", sa.Text, nullable=False),
        sa.Column("part", sa.Integer, nullable=False),
        sa.Column("value", sa.JSON, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "step_id", "part", name="pk_workflow_data"),
        _owner("workflow_data"),
    )
    op.create_table(
        "workflow_events",
        _run(),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        _time("at", server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("detail", JSONB, nullable=False),
        sa.PrimaryKeyConstraint("run_id", "sequence", name="pk_workflow_events"),
        _owner("workflow_events"),
    )
    op.create_table(
        "workflow_watches",
        _run(),
        _time("watched_until", nullable=False),
        sa.PrimaryKeyConstraint("run_id", name="pk_workflow_watches"),
    )
    op.create_table(
        "workflow_executors",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("node_id", sa.Text, nullable=False),
        _time("lease_until", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workflow_executors"),
    )
    op.execute(VIEW)


def downgrade() -> None:
    """Drop them, with what is in them."""
    op.execute("DROP VIEW workflows")
    for name in ("executors", "watches", "events", "data", "steps", "runs"):
        op.drop_table(f"workflow_{name}")


def _runs() -> None:
    op.create_table(
        "workflow_runs",
        _text("id"),
        _text("name"),
        _text("description"),
        _text("status", "'pending'"),
        sa.Column("global_context", JSONB, server_default=sa.text("'{}'"), nullable=False),
        _text("created_by"),
        _time("created_at", server_default=sa.text("clock_timestamp()"), nullable=False),
        _time("started_at"),
        _time("completed_at"),
        sa.Column("metadata", JSONB, server_default=sa.text("'{}'"), nullable=False),
        _text("template"),
        sa.Column("template_version", sa.BigInteger, nullable=False),
        sa.Column("inputs", JSONB, server_default=sa.text("'{}'"), nullable=False),
        sa.Column("output", JSONB),
        sa.Column("error", JSONB),
        _text("parent_run_id", "''"),
        _time("expires_at", nullable=False),
        sa.Column("timeout", sa.Double, nullable=False),
        _text("trace_id", "''"),
        sa.Column("budget", JSONB),
        sa.Column("authority", sa.LargeBinary, server_default=sa.text("''"), nullable=False),
        _text("key", "''"),
        sa.Column("asked", sa.LargeBinary, nullable=False),
        sa.Column("max_concurrent_runs", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.Column("completed_steps", sa.Integer, server_default=sa.text("0"), nullable=False),
        sa.Column("total_steps", sa.Integer, nullable=False),
        *(
            sa.Column(name, sa.Boolean, server_default=sa.text("false"), nullable=False)
            for name in ("pausing", "cancelling", "compensating")
        ),
        _text("reason", "''"),
        sa.Column("attempt_group", sa.Integer, server_default=sa.text("1"), nullable=False),
        _text("executor", "''"),
        sa.Column("taken", sa.Boolean, server_default=sa.text("false"), nullable=False),
        sa.Column("last_sequence", sa.BigInteger, server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_workflow_runs"),
    )
    _index("created_at_id", ["created_at", "id"])
    _index("template", ["template", "created_at"])
    _index("created_by", ["created_by", "created_at"])
    _index("parent_run_id", ["parent_run_id"], "parent_run_id <> ''")
    _index("taken", ["template"], "taken")
    _index("free", ["created_at"], "NOT taken AND completed_at IS NULL")
    _index("completed_at", ["completed_at"], "completed_at IS NOT NULL")
    op.create_index(
        "uq_workflow_runs_key",
        "workflow_runs",
        ["created_by", "key"],
        unique=True,
        postgresql_where=sa.text("key <> ''"),
    )


def _text(name: str, default: str = "") -> sa.Column[str]:
    return sa.Column(name, sa.Text, server_default=sa.text(default) if default else None, nullable=False)


def _time(name: str, **options: object) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), **options)  # type: ignore[arg-type]


def _run() -> sa.Column[str]:
    return sa.Column("run_id", sa.Text, nullable=False)


def _owner(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(["run_id"], ["workflow_runs.id"], ondelete="CASCADE", name=f"fk_{table}_run_id")


def _index(name: str, columns: list[str], where: str = "") -> None:
    condition = sa.text(where) if where else None
    op.create_index(f"ix_workflow_runs_{name}", "workflow_runs", columns, postgresql_where=condition)
