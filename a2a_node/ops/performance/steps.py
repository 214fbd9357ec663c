"""The steps of workflow runs, by the time that they take, as the record tells it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from statistics import median
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.model.runs import Run, RunStep


class SlowStep(BaseModel):
    """One step of a template, over the runs that were looked at."""

    template: str
    step: str
    agent: Annotated[str, Field(description="Whom it called; empty for approvals and sub-workflows.")]
    capability: str
    runs: Annotated[int, Field(description="In how many of them it has ended.")]
    seconds: Annotated[float, Field(description="All of them together, waiting between attempts included.")]
    median_seconds: float
    longest_seconds: float
    attempts: Annotated[int, Field(description="How often it was tried in all.")]
    failed: Annotated[int, Field(description="How many of the tries failed.")]
    slowest_run: Annotated[str, Field(description="The id of the run in which it took longest.")]


def slowest(runs: Iterable[Run], most: int) -> list[SlowStep]:
    """The steps that have ended, by the time that went into them, the most of it first."""
    alike: dict[tuple[str, str], list[tuple[float, Run, RunStep]]] = defaultdict(list)
    for run in runs:
        for step in run.steps:
            if step.started_at is not None and step.completed_at is not None:
                took = (step.completed_at - step.started_at).total_seconds()
                alike[run.template, step.id].append((took, run, step))
    found = [_told(names, times) for names, times in alike.items()]
    return sorted(found, key=lambda one: (-one.seconds, one.template, one.step))[:most]


def _told(names: tuple[str, str], times: list[tuple[float, Run, RunStep]]) -> SlowStep:
    longest, run, step = max(times, key=lambda one: one[0])
    attempts = [attempt for _, _, each in times for attempt in each.attempts]
    return SlowStep(
        template=names[0],
        step=names[1],
        agent=step.agent,
        capability=step.capability,
        runs=len(times),
        seconds=round(sum(took for took, _, _ in times), 6),
        median_seconds=round(median(took for took, _, _ in times), 6),
        longest_seconds=round(longest, 6),
        attempts=len(attempts),
        failed=sum(attempt.error is not None for attempt in attempts),
        slowest_run=run.id,
    )
