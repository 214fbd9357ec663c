"""Which steps of runs took the time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from a2a_node.model.errors import NodeLost
from a2a_node.model.runs import Run, RunStatus, RunStep, StepAttempt, StepStatus
from a2a_node.ops.performance.steps import slowest

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)


def run(name: str, **seconds: float) -> Run:
    """A run whose steps took so long; with 0 they have not ended."""
    failed = StepAttempt(1, BEGIN, error=NodeLost("n1"))
    steps = [
        RunStep(
            step,
            StepStatus.COMPLETED if took else StepStatus.RUNNING,
            agent="baker",
            started_at=BEGIN,
            completed_at=BEGIN + timedelta(seconds=took) if took else None,
            attempts=(failed, StepAttempt(2, BEGIN)),
        )
        for step, took in seconds.items()
    ]
    ends = BEGIN + timedelta(hours=1)
    return Run(name, "bake", 1, name, "", RunStatus.COMPLETED, "person:ada", BEGIN, ends, steps=steps)


def test_steps_are_told_by_the_time_that_went_into_them() -> None:
    """Over all runs that were looked at; what has not ended is left out."""
    first, second = slowest([run("r1", knead=1, rest=10), run("r2", knead=3, rest=20), run("r3", knead=0)], 10)
    assert (first.step, first.runs, first.seconds, first.slowest_run) == ("rest", 2, 30, "r2")
    assert (second.step, second.median_seconds, second.attempts, second.failed) == ("knead", 2, 4, 2)
    assert slowest([], 10) == []
