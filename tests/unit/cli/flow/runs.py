"""A run in the middle of its work, which tests show."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from a2a_node.model.errors import DeadlineExceeded, InvalidInput
from a2a_node.model.runs import Run, RunStatus, RunStep, StepApproval, StepAttempt, StepItems, StepStatus

BEGIN = datetime(2026, 11, 27, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """So many seconds after the run began."""
    return BEGIN + timedelta(seconds=seconds)


FETCH = RunStep(
    "fetch",
    StepStatus.COMPLETED,
    "git",
    "clone",
    input={"url": "/srv/code"},
    output={"path": "/tmp/w"},  # noqa: S108 - a word
    started_at=at(0),
    completed_at=at(2),
    attempts=(
        StepAttempt(1, at(0), "node-1", "c-1", at(0.5), DeadlineExceeded(0.5)),
        StepAttempt(2, at(1), "node-2", "c-2", at(2)),
    ),
)
LINT = RunStep("lint", StepStatus.RUNNING, "ruff", "lint", ("fetch",), started_at=at(2), items=StepItems(4, 1))
GATE = RunStep(
    "gate", StepStatus.WAITING, needs=("fetch",), started_at=at(2), approval=StepApproval("release:approve", "Ship it?")
)
SHIP = RunStep("ship", needs=("lint", "gate"))
RUN = Run(
    "0b2f8f60-52c5-4f4a-9be3-1d1f0f6c7a11",
    "release",
    3,
    "release",
    "Ships.",
    RunStatus.RUNNING,
    "person:ann",
    BEGIN,
    at(3600),
    steps=(FETCH, LINT, GATE, SHIP),
    started_at=BEGIN,
    completed_steps=1,
    total_steps=4,
)
NOW = at(4)
FAILURE = InvalidInput("text", "is no text")
FAILED = replace(
    RUN,
    status=RunStatus.FAILED,
    completed_at=at(4),
    error=FAILURE,
    steps=(FETCH, replace(LINT, status=StepStatus.FAILED, completed_at=at(4), error=FAILURE)),
)
