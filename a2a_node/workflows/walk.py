"""Walking one run of a template: steps begin as soon as what they need is done, side by side, to the run's end.

Nothing here knows an engine: what has to survive goes into the record, and a walk that another engine takes up begins
with what the record says.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from a2a_node.model.errors import InternalError, MeshError, RunExpired
from a2a_node.model.runs import RunChange, RunLost, RunStatus, StepStatus, Wishes
from a2a_node.model.workflows import AgentCall, Approval, SubWorkflow, TemplateStep
from a2a_node.workflows.at_work import AtWork
from a2a_node.workflows.deciding import Fate, Plan
from a2a_node.workflows.desk import Desk
from a2a_node.workflows.doing import done
from a2a_node.workflows.journal import Journal
from a2a_node.workflows.scope import Scope, checked_size
from a2a_node.workflows.stand import Stand
from a2a_node.workflows.walk_ports import Given, House

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Walk:
    """One run at work."""

    def __init__(self, given: Given, house: House) -> None:
        run = given.run
        self._house, self._plan = house, Plan(given.template)
        self._journal = Journal(house.write, run.id, self._wished)
        stand = Stand(run, given.template, self._journal, house.clock)
        until = asyncio.get_running_loop().time() + (run.expires_at - house.clock()).total_seconds()
        expanded = len(given.template.steps) + sum(max(step.items.total - 1, 0) for step in stand if step.items)
        self._desk = Desk(house, given.template, stand, Scope(stand, house), until, expanded)
        self._at_work = AtWork(self._desk.news)
        self._fate: Fate | None = None
        self._last: asyncio.Future[None] | None = None  # done when the step is recorded that was the last
        self.going = False  # whether it has begun to go
        self._begun = run.started_at if run.started_at and run.wishes.group == 1 else house.clock()
        self._looking = asyncio.Lock()  # what was read last is what holds
        self.left = asyncio.Event()  # set once nothing of it is at work, and nothing begins

    async def look(self) -> None:
        """Hear what people said of the run meanwhile, as the record has it; RunNotFound."""
        async with self._looking:
            self._desk.stand.heard(await self._house.run(self._desk.stand.run.id))
        await self._desk.tell()

    def leave(self) -> None:
        """Begin no more steps: another engine will go on once `left`."""
        self._desk.leaving = True
        self._desk.news.set()
        if not self.going:
            self.left.set()

    @property
    def parked(self) -> bool:
        """Whether nothing of it needs anything but memory now."""
        return not any(isinstance(self._plan.steps[name].work, AgentCall) for name in self._at_work)

    @property
    def waits_for_runs(self) -> bool:
        """Whether it waits for runs of other templates, which must begin somewhere."""
        return any(isinstance(self._plan.steps[name].work, SubWorkflow) for name in self._at_work)

    @property
    def bounded(self) -> bool:
        """Whether its end may let another run of its template begin."""
        return self._desk.template.max_concurrent_runs > 0

    async def go(self) -> str:
        """Walk to the end and say how the run ended; RunLost when another engine has it."""
        self.going = True
        async with self._journal:
            try:
                await self._forward()
                fate = self._fate or await self._completed()
                await self._finish(fate)
                self._house.traces.run_ended(self._desk.stand.run, self._begun, self._house.clock(), fate.error)
            finally:
                await self._at_work.stop()
                self.left.set()
        return str(self._desk.stand.status)

    async def _forward(self) -> None:
        """Until all steps have ended, or the run cannot go on; never past the wish to leave."""
        while True:
            self._desk.news.clear()
            self._at_work.check()
            self._look()
            self._advance()
            if not self._at_work and (self._fate or self._over()):
                return
            self._part()
            self._tell_status()
            await self._stirred()

    async def _wished(self, wishes: Wishes) -> None:
        if wishes != self._desk.stand.run.wishes:
            await self.look()

    def _over(self) -> bool:
        return not self._desk.leaving and not any(True for _ in self._plan.due(self._desk.stand.steps))

    def _part(self) -> None:
        """Where it is to leave, let calls end, and what only waits be taken up elsewhere."""
        if not self._desk.leaving:
            return
        for name in self._at_work:
            if not self._desk.calling[name] and not self._desk.stand[name].status.terminal:
                self._at_work.cancel(name)
        if not self._at_work:
            self.left.set()

    def _look(self) -> None:
        """Decide whether the run can go on, once; what it does without then is cancelled."""
        if self._fate is not None:
            return
        stand, wishes = self._desk.stand, self._desk.stand.run.wishes
        if wishes.cancelling:
            self._fate = Fate(RunStatus.CANCELLED, undoing=wishes.compensating)
        elif fate := self._plan.fate(stand.steps):
            self._fate = fate
        elif asyncio.get_running_loop().time() >= self._desk.until:
            self._fate = Fate(RunStatus.FAILED, RunExpired(stand.run.id))
        else:
            return
        for name in self._at_work:
            if not self._fate.spares(self._plan.steps[name].work):
                self._at_work.cancel(name)

    def _advance(self) -> None:
        if self._fate is not None or self._desk.leaving:
            return
        stand = self._desk.stand
        for name in [*self._plan.moot(stand.steps)]:
            stand.tell(name, status=StepStatus.SKIPPED)
        for step in [*self._plan.due(stand.steps, self._at_work.names)]:
            if not stand.run.wishes.pausing:
                self._begin(step)
            elif stand[step.id].status is StepStatus.PENDING:
                stand.tell(step.id, status=StepStatus.PAUSED)

    def _begin(self, step: TemplateStep) -> asyncio.Task[None]:
        return self._at_work.begin(step.id, self._worked(step))

    async def _worked(self, step: TemplateStep) -> None:
        """A step from its condition to its end on record."""
        stand = self._desk.stand
        begun = stand[step.id].started_at or stand.clock()
        try:
            await self._done(step)
        except MeshError as error:
            await stand.tell(step.id, status=StepStatus.FAILED, error=error)
        except (RunLost, asyncio.CancelledError):
            raise
        except Exception:
            log.exception("a step failed for a reason that nobody foresaw", run=stand.run.id, step=step.id)
            await stand.tell(step.id, status=StepStatus.FAILED, error=InternalError())
        if (ended := stand[step.id]).status is not StepStatus.SKIPPED:
            self._house.traces.step_ended(stand.run, step.id, begun, stand.clock(), ended.error)

    async def _done(self, step: TemplateStep) -> None:
        stand = self._desk.stand
        if step.condition and not await self._desk.scope.holds(step):
            await stand.tell(step.id, status=StepStatus.SKIPPED)
            return
        output = await done(self._desk, step)
        checked_size({"output": output})
        self._desk.scope.made(step.id, output)
        recorded = stand.tell(step.id, lazily=True, status=StepStatus.COMPLETED, output=output, error=None)
        if self._ends_with(step):
            self._last = recorded  # with the run, whose end follows at once
        else:
            self._journal.hurry()
            await recorded

    def _ends_with(self, step: TemplateStep) -> bool:
        """Whether nothing is left to be done but to end the run, as far as anybody knows yet."""
        steps = self._desk.stand.steps
        alone = self._at_work.names == {step.id} and not any(True for _ in self._plan.moot(steps))
        return alone and self._fate is None and self._over()

    def _tell_status(self) -> None:
        stand = self._desk.stand
        if self._fate is None and not self._desk.leaving:
            works = [self._plan.steps[name].work for name in self._at_work]
            waiting = bool(works) and all(isinstance(work, Approval) for work in works)
            paused = stand.run.wishes.pausing
            stand.stands(RunStatus.PAUSED if paused else RunStatus.WAITING if waiting else RunStatus.RUNNING)

    async def _stirred(self) -> None:
        if self.parked:
            self._desk.scope.forget()  # it may wait for days, and many may
        left = self._desk.until - asyncio.get_running_loop().time()
        with suppress(TimeoutError):
            async with asyncio.timeout(max(left, 0.0) if self._fate is None else None):
                await self._desk.news.wait()

    async def _completed(self) -> Fate:
        """The end of a run whose steps are done: its output, where it can be made."""
        try:
            output = await self._desk.scope.output(self._desk.template.output)
        except MeshError as error:
            return Fate(RunStatus.FAILED, error)
        return Fate(RunStatus.COMPLETED, output=output)

    async def _finish(self, fate: Fate) -> None:
        stand = self._desk.stand
        if fate.undoing:
            if self._last is not None:
                await self._last
            stand.stands(RunStatus.RUNNING)
            for name, step in self._plan.undoings(stand.steps):
                await self._undone(name, step)
        for left in stand:
            if not left.status.terminal:
                undoes = self._plan.steps[left.id].compensates
                stand.tell(left.id, status=StepStatus.SKIPPED if undoes else StepStatus.CANCELLED)
        await stand.tell_run(RunChange(fate.status, fate.output, fate.error))

    async def _undone(self, name: str, step: TemplateStep) -> None:
        """Undo what a step did; where that fails the others are undone all the same."""
        await asyncio.wait([self._begin(step)])
        self._at_work.check()
        if self._desk.stand[step.id].status is StepStatus.COMPLETED:
            await self._desk.stand.tell(name, compensated=True)
