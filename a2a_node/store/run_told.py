"""What is told of a run: its events as Postgres writes them, whether they are read there or come with a bell."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeAlias, TypedDict, cast

import orjson

from a2a_node.model.runs import Run, RunEvent, RunStatus
from a2a_node.store.run_json import ErrorJson, StepJson, error_from, step_from, when

# an event, of a row of `workflow_events`
TELLING = "jsonb_build_array(sequence, at, kind, detail)"

Told: TypeAlias = tuple[int, str, str, object]  # a sequence, a moment, a kind, and what its kind says


class RunJson(TypedDict):
    """What an event says of the run."""

    status: str
    error: ErrorJson | None
    output: dict[str, object] | None
    started_at: str | None
    completed_at: str | None
    completed_steps: int


class ProgressJson(TypedDict):
    """What the agent of a step at work said."""

    id: str
    said: object


def events_of(run: Run, rows: Iterable[Told]) -> Sequence[RunEvent]:
    """Events of a run, which stands as it stood after the last of them."""
    return [_event(run, row) for row in rows]


def stood(run: Run, told: Sequence[Told]) -> Run:
    """How the run stands after events."""
    return next((event.run for event in reversed(events_of(run, told)) if event.run is not None), run)


def rung(bells: Iterable[bytes], after: int) -> Sequence[Told] | None:
    """What bells tell that follows on a sequence; None where somebody has to look."""
    rows: list[Told] = []
    silent = True
    for bell in bells:
        silent, said = False, orjson.loads(bell)
        if not isinstance(said, list):
            return None
        rows += (row for row in said if row[0] > after)
    whole = [row[0] for row in rows] == [*range(after + 1, after + 1 + len(rows))]
    return rows if whole and not silent else None


def _event(run: Run, told: Told) -> RunEvent:
    sequence, at, kind, detail = told
    place = (sequence, datetime.fromisoformat(at).astimezone(UTC))
    if kind == "step":
        return RunEvent(*place, step=step_from(cast("StepJson", detail)))
    if kind == "progress":
        progress = cast("ProgressJson", detail)
        return RunEvent(*place, progress=(progress["id"], progress["said"]))
    return RunEvent(*place, run=_run(run, cast("RunJson", detail)))


def _run(run: Run, detail: RunJson) -> Run:
    return replace(
        run,
        status=RunStatus(detail["status"]),
        error=error_from(detail["error"]),
        output=detail["output"],
        started_at=when(detail["started_at"]),
        completed_at=when(detail["completed_at"]),
        completed_steps=detail["completed_steps"],
    )
