"""What the record of runs in memory keeps of each run, and how a change of it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from a2a_node.model.errors import MeshError
from a2a_node.model.runs import (
    INLINE,
    MOST_EVENTS,
    NewRun,
    Run,
    RunChange,
    RunEvent,
    RunStatus,
    RunStep,
    StepChange,
    StepStatus,
)

BEGUN = (StepStatus.RUNNING, StepStatus.WAITING, StepStatus.COMPLETED, StepStatus.FAILED)
DONE = (StepStatus.COMPLETED, StepStatus.SKIPPED)
TRIMMED_EVERY = 250


@dataclass
class Kept:
    """A run, as it stands, and what is known of it besides."""

    new: NewRun
    run: Run  # its steps with inputs and outputs whole
    clock: Callable[[], datetime]
    executor: str = ""
    taken: bool = False
    sequence: int = 0
    events: list[RunEvent] = field(default_factory=list)
    items: dict[str, dict[int, object]] = field(default_factory=dict)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def tell(self, *, step: RunStep | None = None, progress: tuple[str, object] | None = None) -> None:
        """One event more: of a step, of its progress, or else of the run."""
        self.sequence += 1
        run = replace(self.run, steps=(), authority=b"", output=inline(self.run.output))  # type: ignore[arg-type]
        about = None if step or progress else run
        shown = shown_step(step) if step else None
        self.events.append(RunEvent(self.sequence, self.clock(), about, shown, progress))
        if self.sequence % TRIMMED_EVERY == 0:
            del self.events[: max(0, len(self.events) - MOST_EVENTS + TRIMMED_EVERY)]
        self.news.set()
        self.news = asyncio.Event()

    def stand(self, **changes: object) -> None:
        """The run stands differently from now on."""
        self.run = replace(self.run, **changes)  # type: ignore[arg-type]

    def steps_stand(self, steps: Mapping[str, RunStep]) -> None:
        """Some steps stand differently from now on."""
        known = tuple(steps.get(step.id, step) for step in self.run.steps)
        self.stand(steps=known, completed_steps=sum(step.status in DONE for step in known))

    def take_in(self, steps: list[StepChange], change: RunChange | None) -> None:
        """What an executor says: of steps first, then of the run."""
        last = {one.step.id: one for one in steps if one.progress is None}
        told: list[StepChange] = list(last.values()) + [one for one in steps if one.progress is not None]
        first = {one.step.id: place for place, one in reversed(list(enumerate(steps)))}
        fresh = {}
        for name in last:
            of_it = [one.step for one in steps if one.step.id == name and one.progress is None]
            fresh[name] = self._merged(of_it)
        was = {step.id: step for step in self.run.steps}
        self.steps_stand(fresh)
        for one in steps:
            self.items.setdefault(one.step.id, {}).update(one.items)
        for one in sorted(told, key=lambda one: (one.progress is not None, first[one.step.id])):
            if one.progress is not None:
                self.tell(progress=(one.step.id, one.progress))
            elif fresh[one.step.id] != was[one.step.id]:
                self.tell(step=fresh[one.step.id])
        if change is not None:
            self._run_stands(change)

    def _merged(self, said: list[RunStep]) -> RunStep:
        step = next(step for step in self.run.steps if step.id == said[0].id)
        for one in said:
            step = self._said(step, one)
        return step

    def _said(self, was: RunStep, said: RunStep) -> RunStep:
        decided = was.approval is not None and was.approval.decision is not None
        now = self.clock()
        return replace(
            was,
            status=said.status,
            error=same_error(was, said),
            attempts=tuple(said.attempts[-20:]),
            agent=said.agent or was.agent,
            capability=said.capability or was.capability,
            child_run_id=said.child_run_id or was.child_run_id,
            input=was.input if said.input is None else said.input,
            output=was.output if said.output is None else said.output,
            items=said.items or was.items,
            approval=was.approval if decided else said.approval or was.approval,
            compensated=said.compensated or was.compensated,
            started_at=was.started_at or (now if said.status in BEGUN else None),
            completed_at=(was.completed_at or now) if said.status.terminal else None,
        )

    def _run_stands(self, change: RunChange) -> None:
        run = self.run
        output = run.output if change.output is None else change.output
        error = run.error if change.error is None else change.error
        if (change.status, output, error) != (run.status, run.output, run.error):
            ended = self.clock() if change.status.terminal else None
            self.stand(status=change.status, output=output, error=error, completed_at=ended)
            self.taken = not change.status.terminal
            self.tell()


def same_error(was: RunStep, said: RunStep) -> MeshError | None:
    """The error of before where another one says the same."""
    if was.error is not None and said.error is not None and str(was.error) == str(said.error):
        return was.error
    return said.error


def inline(value: object) -> object:
    """The value, or None where it stands apart."""
    return value if fits(value) else None


def fits(value: object) -> bool:
    """Whether a value is told with its step."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return len(text.encode()) <= INLINE and "\\u0000" not in text


def shown_step(step: RunStep) -> RunStep:
    """A step without what is large."""
    given, made = inline(step.input), inline(step.output)
    omitted = (given, made) != (step.input, step.output)
    return replace(step, input=given, output=made, omitted=omitted)  # type: ignore[arg-type]


def is_open(kept: Kept) -> bool:
    """Whether a run waits for somebody to take it."""
    return not kept.taken and kept.run.status in (RunStatus.PENDING, RunStatus.PAUSED)
