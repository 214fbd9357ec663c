"""Runs as rows, and rows as runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import orjson
from sqlalchemy import ColumnElement, RowMapping, TextualSelect, column, text
from sqlalchemy.dialects.postgresql import JSONB

from a2a_node.model.runs import NewRun, Run, RunStatus, Wishes
from a2a_node.store.run_json import dumped, error_from, fresh_step, step_from
from a2a_node.store.run_tables import workflow_runs as table

INNER = {"key", "asked"}  # what no run says
LARGE = {"inputs", "output", "global_context"}  # what lists leave out
NAMES = [one.name for one in table.columns if one.name not in INNER]
COLUMNS = ", ".join(f"run.{name}" for name in NAMES)
STEPS = """(
  SELECT jsonb_agg(one.step ORDER BY one.position) FROM workflow_steps AS one WHERE one.run_id = run.id
) AS steps"""


def whole(statement: str, *more: ColumnElement[str] | ColumnElement[bool]) -> TextualSelect:
    """A statement whose rows are COLUMNS, STEPS and some more."""
    return text(statement).columns(*(table.c[name] for name in NAMES), column("steps", JSONB), *more)


def new_row(new: NewRun) -> Mapping[str, object]:
    """The parameters of a run that is recorded."""
    return {
        "id": new.id,
        "name": new.name or new.template,
        "description": new.description,
        "context": dumped(new.context),
        "created_by": new.created_by,
        "metadata": dumped(new.metadata),
        "template": new.template,
        "version": new.template_version,
        "inputs": dumped(new.inputs),
        "parent": new.parent_run_id,
        "timeout": new.timeout,
        "until": new.until,
        "trace_id": new.trace_id,
        "budget": None if new.budget is None else dumped(dict(new.budget)),
        "authority": new.authority,
        "key": new.key,
        "asked": asked(new),
        "most": new.max_concurrent_runs,
        "steps": dumped([fresh_step(step) for step in new.steps]),
    }


def asked(new: NewRun) -> bytes:
    """What a key stands for: all that whoever started it said, but for the version, which may be a newer one by now."""
    named = (new.template, new.name, new.description, new.timeout, new.parent_run_id)
    said = (*named, new.inputs, new.context, new.metadata)
    text_of_it = orjson.dumps([*said, dict(new.budget or {})], option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(text_of_it).digest()


def run_from(row: RowMapping | Mapping[str, object]) -> Run:
    """The run of a row, with its steps where the row has them."""
    return _run(dict(row))


def _run(row: dict) -> Run:  # type: ignore[type-arg]  # of a driver without types
    return Run(
        row["id"],
        row["template"],
        row["template_version"],
        row["name"],
        row["description"],
        RunStatus(row["status"]),
        row["created_by"],
        row["created_at"],
        row["expires_at"],
        row.get("inputs") or {},
        row.get("global_context") or {},
        row["metadata"],
        row["budget"],
        row["authority"],
        tuple(step_from(step) for step in row.get("steps") or ()),
        row.get("output"),
        error_from(row["error"]),
        row["started_at"],
        row["completed_at"],
        row["parent_run_id"],
        row["trace_id"],
        row["completed_steps"],
        row["total_steps"],
        wishes_from(row),
    )


def wishes_from(row: dict) -> Wishes:  # type: ignore[type-arg]  # as above
    """What people want of the run of a row."""
    return Wishes(row["pausing"], row["cancelling"], row["compensating"], row["reason"], row["attempt_group"])
