"""The tables of workflow runs. People query the view `workflows` over them, which a migration makes."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from a2a_node.store.columns import NOW, Time, metadata

EMPTY = text("''")
NONE = text("'{}'")
FALSE = text("false")
ZERO = text("0")

# One row is locked for each change of a run, its steps and events; it stays small, for it is written each time.
workflow_runs = Table(
    "workflow_runs",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("status", Text, nullable=False, server_default=text("'pending'")),
    Column("global_context", JSONB, nullable=False, server_default=NONE),
    Column("created_by", Text, nullable=False),
    Column("created_at", Time, nullable=False, server_default=NOW),
    Column("started_at", Time),
    Column("completed_at", Time),
    Column("metadata", JSONB, nullable=False, server_default=NONE),
    Column("template", Text, nullable=False),
    Column("template_version", BigInteger, nullable=False),
    Column("inputs", JSONB, nullable=False, server_default=NONE),
    Column("output", JSONB),
    Column("error", JSONB),
    Column("parent_run_id", Text, nullable=False, server_default=EMPTY),
    Column("expires_at", Time, nullable=False),
    Column("timeout", Double, nullable=False),  # seconds, as it was given at first
    Column("trace_id", Text, nullable=False, server_default=EMPTY),
    Column("budget", JSONB),
    Column("authority", LargeBinary, nullable=False, server_default=EMPTY),
    Column("key", Text, nullable=False, server_default=EMPTY),
    Column("asked", LargeBinary, nullable=False),  # SHA-256 of what was asked, which a key stands for
    Column("max_concurrent_runs", BigInteger, nullable=False, server_default=ZERO),
    Column("completed_steps", Integer, nullable=False, server_default=ZERO),
    Column("total_steps", Integer, nullable=False),
    Column("pausing", Boolean, nullable=False, server_default=FALSE),
    Column("cancelling", Boolean, nullable=False, server_default=FALSE),
    Column("compensating", Boolean, nullable=False, server_default=FALSE),
    Column("reason", Text, nullable=False, server_default=EMPTY),
    Column("attempt_group", Integer, nullable=False, server_default=text("1")),
    Column("executor", Text, nullable=False, server_default=EMPTY),
    Column("taken", Boolean, nullable=False, server_default=FALSE),  # from the claim to the end
    Column("last_sequence", BigInteger, nullable=False, server_default=ZERO),
    Index("ix_workflow_runs_created_at_id", "created_at", "id"),
    Index("ix_workflow_runs_template", "template", "created_at"),
    Index("ix_workflow_runs_created_by", "created_by", "created_at"),
    Index("ix_workflow_runs_parent_run_id", "parent_run_id", postgresql_where=text("parent_run_id <> ''")),
    Index("ix_workflow_runs_taken", "template", postgresql_where=text("taken")),
    Index("ix_workflow_runs_free", "created_at", postgresql_where=text("NOT taken AND completed_at IS NULL")),
    Index("ix_workflow_runs_completed_at", "completed_at", postgresql_where=text("completed_at IS NOT NULL")),
    Index("uq_workflow_runs_key", "created_by", "key", unique=True, postgresql_where=text("key <> ''")),
)


def _run() -> Column[str]:
    return Column("run_id", Text, ForeignKey("workflow_runs.id", ondelete="CASCADE"), primary_key=True)


workflow_steps = Table(
    "workflow_steps",
    metadata,
    _run(),
    Column("id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("step", JSONB, nullable=False),  # an object with the fields of RunStep
)

# What is too large for the steps, and the outputs of items; `json` keeps what `jsonb` cannot, such as NUL characters.
workflow_data = Table(
    "workflow_data",
    metadata,
    _run(),
    Column("step_id", Text, primary_key=True),
    Column("part", Integer, primary_key=True),  # -1 for the input, -2 for the output, an item's index
    Column("value", JSON, nullable=False),
)

workflow_events = Table(
    "workflow_events",
    metadata,
    _run(),
    Column("sequence", BigInteger, primary_key=True),
    Column("at", Time, nullable=False, server_default=NOW),
    Column("kind", Text, nullable=False),
    Column("detail", JSONB, nullable=False),
)

# How many steps the first run has with all that it started, since it was taken up; none until the first of these.
workflow_growth = Table("workflow_growth", metadata, _run(), Column("steps", Integer, nullable=False))

workflow_executors = Table(
    "workflow_executors",
    metadata,
    Column("id", Text, primary_key=True),
    Column("node_id", Text, nullable=False),
    Column("lease_until", Time, nullable=False),
)
