"""What is drawn of a workflow: a box for each step, of a template alone or of a run as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_

from a2a_node.cli.flow.words import did, does, span, took
from a2a_node.model.runs import Run, RunStep, StepStatus
from a2a_node.model.workflows import Template, TemplateStep
from a2a_node.workflows.graph import Graph


@dataclass(frozen=True, slots=True)
class Box:
    """One step as it is drawn. `wave` is how many steps come before it, one after the other."""

    id: str
    does: str
    needs: tuple[str, ...] = ()
    wave: int = 0
    undoes: str = ""  # the step that it compensates, beside which it stands
    status: StepStatus | None = None  # None where it is of no run
    notes: tuple[str, ...] = ()

    @property
    def after(self) -> tuple[str, ...]:
        """The boxes that lines come from."""
        return (self.undoes,) if self.undoes else self.needs


def boxes(template: Template, run: Run | None = None, now: datetime | None = None) -> Sequence[Box]:
    """The boxes of a template without cycles, in an order in which its steps could go.

    Needs that others imply are left out: what needs `b`, which needs `a`, is not told to need `a`.
    """
    graph, made = Graph(template.steps), {step.id: step for step in run.steps} if run else {}
    needs, waves = _direct(graph), dict(graph.waves)
    waves |= {step.id: waves[step.compensates] + 1 for step in template.steps if step.compensates in graph.waves}
    found = [
        _box(step, waves[step.id], needs.get(step.id, ()), made.get(step.id), now)
        for step in template.steps
        if step.id in waves
    ]
    return sorted(found, key=lambda box: box.wave)


def _box(step: TemplateStep, wave: int, needs: tuple[str, ...], made: RunStep | None, now: datetime | None) -> Box:
    if made is None:
        return Box(step.id, does(step.work), needs, wave, step.compensates, None, tuple(_plans(step)))
    words = (did(made) if made.agent else "") or does(step.work)
    return Box(step.id, words, needs, wave, step.compensates, made.status, tuple(_facts(made, now)))


def _direct(graph: Graph) -> Mapping[str, tuple[str, ...]]:
    """The needs of each step without those that its others imply; sets are the bits of numbers, for 1,000 steps."""
    bit = {name: 1 << number for number, name in enumerate(graph.waves)}
    before, found = dict[str, int](), dict[str, tuple[str, ...]]()
    for name in bit:
        needs = tuple(dict.fromkeys(graph.needs[name]))
        implied = reduce(or_, (before[need] for need in needs), 0)
        before[name] = reduce(or_, (bit[need] for need in needs), implied)
        found[name] = tuple(need for need in needs if not bit[need] & implied)
    return found


def _plans(step: TemplateStep) -> Sequence[str]:
    notes = [f"if {step.condition}"] if step.condition else []
    if step.foreach:
        notes.append(f"for each of {step.foreach}")
    if step.retry.attempts > 1:
        notes.append(f"{step.retry.attempts} attempts")
    if step.timeout:
        notes.append(f"at most {span(step.timeout)}")
    if step.on_failure != "fail":
        notes.append(f"on failure: {step.on_failure}")
    return notes


def _facts(step: RunStep, now: datetime | None) -> Sequence[str]:
    notes = [str(step.status)]
    if (seconds := took(step.started_at, step.completed_at, now)) is not None:
        notes.append(span(seconds))
    if step.items:
        notes.append(f"{step.items.completed} of {step.items.total} items")
    if len(step.attempts) > 1:
        notes.append(f"{step.attempts[-1].attempt} attempts")
    if step.compensated:
        notes.append("undone")
    if step.error:
        notes.append(step.error.reason)
    return notes
