"""The story of a change: what was measured before and after, what took the time, and what became of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.ops.incidents.timeline import plain
from a2a_node.ops.performance.evidence import SlowCall
from a2a_node.ops.performance.loading import Measured
from a2a_node.ops.performance.significance import Comparison
from a2a_node.ops.performance.steps import SlowStep
from a2a_node.ops.performance.tunables import Change

SHOWN = 10  # rows of a table


class Settled(BaseModel):
    """What became of a change, and why."""

    kept: bool
    what: str
    comparison: Comparison


class Story(BaseModel):
    """What a report tells."""

    change: Change
    before: Measured
    after: Measured
    settled: Settled
    slow_calls: Annotated[list[SlowCall], Field(max_length=100, description="Under the load, the longest first.")] = []
    slow_steps: Annotated[list[SlowStep], Field(max_length=100, description="Of workflow runs, most time first.")] = []


def said(change: Change) -> str:
    """What was changed, in words."""
    if change.setting == "limit":
        return f"the limit of {change.agent}.{change.capability} (calls a second)"
    return f"the config {change.name} of {change.agent}"


def markdown(name: str, story: Story, flame_graph: str) -> str:
    """The story for people."""
    parts = (
        f"# {name}",
        f"{said(story.change)}: {story.change.before:g} to {story.change.after:g}.\n{story.change.why}",
        _table("| | p50 ms | p90 ms | p99 ms | calls/s | failed |", list(_measured(story))),
        f"**{'Kept' if story.settled.kept else 'Taken back'}**: {story.settled.comparison.why}",
        "## Slowest calls",
        _table("| call | by way of | seconds | reason | trace |", list(_calls(story))),
        "## Slowest steps of runs",
        _table("| step | calls | runs | seconds | median | longest | tries |", list(_steps(story))),
        *([f"Flame graph: `{flame_graph}`"] if flame_graph else []),
    )
    return "\n\n".join(parts) + "\n"


def _table(head: str, rows: Sequence[Sequence[str]]) -> str:
    """A table with these rows; words where there are none."""
    lines = (head, "|---" * (head.count("|") - 1) + "|", *(f"| {' | '.join(map(plain, row))} |" for row in rows))
    return "\n".join(lines) if rows else "None were seen."


def _measured(story: Story) -> Iterator[Sequence[str]]:
    for label, one in (("before", story.before), ("after", story.after)):
        figures = (f"{one.p50:.3f}", f"{one.p90:.3f}", f"{one.p99:.3f}", f"{one.per_second:g}")
        yield label, *figures, str(one.sample.failed)


def _calls(story: Story) -> Iterator[Sequence[str]]:
    for call in story.slow_calls[:SHOWN]:
        way = " > ".join(call.path)
        yield f"{call.agent}.{call.capability}", way, f"{call.seconds:.3f}", call.reason, call.trace_id


def _steps(story: Story) -> Iterator[Sequence[str]]:
    for step in story.slow_steps[:SHOWN]:
        called = f"{step.agent}.{step.capability}" if step.agent else ""
        figures = (f"{each:.3f}" for each in (step.seconds, step.median_seconds, step.longest_seconds))
        yield f"{step.template}.{step.step}", called, str(step.runs), *figures, str(step.attempts)
