"""How a run and its steps stand for the engine that walks it; whatever changes goes into the record."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import TypedDict, Unpack

from a2a_node.model.errors import MeshError
from a2a_node.model.runs import (
    Run,
    RunChange,
    RunStatus,
    RunStep,
    StepApproval,
    StepAttempt,
    StepChange,
    StepItems,
    StepStatus,
)
from a2a_node.model.workflows import Object, Template
from a2a_node.workflows.journal import Journal

MOST_ATTEMPTS = 20  # that are kept of a step


class Changes(TypedDict, total=False):
    """What can change of a step."""

    status: StepStatus
    agent: str
    capability: str
    input: Object
    output: object
    error: MeshError | None
    attempts: tuple[StepAttempt, ...]
    items: StepItems
    approval: StepApproval
    child_run_id: str
    compensated: bool


class Stand:
    """The steps of a run as they stand, by id, in the order of its template."""

    def __init__(self, run: Run, template: Template, journal: Journal, clock: Callable[[], datetime]) -> None:
        self.run, self._journal, self.clock = run, journal, clock
        known = {step.id: step for step in run.steps}
        group = run.wishes.group
        undoes = {step.id for step in template.steps if step.compensates}
        self._steps = {step.id: _taken_up(known[step.id], group, step.id in undoes) for step in template.steps}
        self.begun = {step.id for step in self if step.status is StepStatus.RUNNING}  # by another engine, which is lost
        self.status = run.status

    def __getitem__(self, step_id: str) -> RunStep:
        return self._steps[step_id]

    def __iter__(self) -> Iterator[RunStep]:
        return iter(self._steps.values())

    @property
    def steps(self) -> Mapping[str, RunStep]:
        """All of them."""
        return self._steps

    def heard(self, run: Run) -> None:
        """Take what people said meanwhile: wishes, and decisions on steps that wait."""
        self.run = run
        for step in run.steps:
            own = self._steps.get(step.id)
            if own is not None and own.approval is not None and step.approval is not None:
                self._steps[step.id] = replace(own, approval=step.approval)

    def tell(
        self,
        step_id: str,
        outputs: Mapping[int, object] | None = None,
        *,
        lazily: bool = False,
        **changes: Unpack[Changes],
    ) -> asyncio.Future[None]:
        """Have a step stand otherwise; done when that is recorded, `lazily` soon. `outputs` are those of items."""
        step = self._timed(replace(self._steps[step_id], **changes))
        kept = step.input is None and step.output is None
        self._steps[step_id] = step if kept else replace(step, input=None, output=None)  # memory is short
        return self._journal.tell(StepChange(step, items=outputs or {}), lazily=lazily)

    def note(self, step_id: str, attempts: tuple[StepAttempt, ...]) -> None:
        """Remember attempts, which are recorded with the step's next change."""
        self._steps[step_id] = replace(self._steps[step_id], attempts=attempts)

    async def progress(self, step_id: str, said: object) -> None:
        """Tell what an agent at work said."""
        await self._journal.room()
        self._journal.tell(StepChange(self._steps[step_id], progress=said))

    def _timed(self, step: RunStep) -> RunStep:
        """With its times, as far as this engine can tell; the record has those of the store's clock."""
        begun = step.status not in (StepStatus.PENDING, StepStatus.PAUSED)
        started = (step.started_at or self.clock()) if begun else step.started_at
        ended = (step.completed_at or self.clock()) if step.status.terminal else None
        if (started, ended) == (step.started_at, step.completed_at):
            return step
        return replace(step, started_at=started, completed_at=ended)

    def tell_run(self, change: RunChange) -> asyncio.Future[None]:
        """Have the run stand otherwise; done when that is recorded."""
        self.status = change.status
        return self._journal.tell(change, lazily=change.status is RunStatus.RUNNING)

    def stands(self, status: RunStatus) -> None:
        """Say that the run stands so, unless it does."""
        if status is not self.status:
            self.tell_run(RunChange(status))


def _taken_up(step: RunStep, group: int, undoes: bool) -> RunStep:  # noqa: FBT001
    """A step as it stands when its run is taken up: what was undone, and what undid it, is done again."""
    undone = step.compensated or (undoes and step.status is not StepStatus.PENDING)
    if undone and step.attempt_group < group:
        return replace(step, status=StepStatus.PENDING, attempt_group=group, compensated=False, error=None)
    return step
