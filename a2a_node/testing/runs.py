"""The record of workflow runs in memory: what the one in Postgres does, for tests that need no Postgres."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from a2a_node.model.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    RunNotFound,
    RunStateConflict,
    StepNotWaiting,
)
from a2a_node.model.run_ports import RunPlace
from a2a_node.model.runs import (
    Backlog,
    Decision,
    NewRun,
    Run,
    RunChange,
    RunEvent,
    RunFilter,
    RunStatus,
    RunStep,
    RunTooLarge,
    StepChange,
    StepData,
    StepStatus,
    Wishes,
)
from a2a_node.model.workflows import MOST_EXPANDED
from a2a_node.testing.losable import utc
from a2a_node.testing.run_execution import MemoryExecution
from a2a_node.testing.run_record import Kept, shown_step


class MemoryRuns(MemoryExecution):
    """The ports `Runs` and `Execution`. `lose()` makes it behave as if Postgres were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__(clock)
        self._grown: dict[str, int] = {}

    async def record(self, new: NewRun) -> Run:
        """Record a run as pending, or find what its key was used for."""
        now = self._now()
        for kept in self._kept.values():
            if new.id == kept.new.id or (new.key and (new.created_by, new.key) == (kept.new.created_by, kept.new.key)):
                if _asked(new) != _asked(kept.new):
                    raise IdempotencyKeyReused(new.key or new.id)
                return _shown(kept)
        if new.parent_run_id in self._kept and not new.undoes:
            await self.grow(new.parent_run_id, len(new.steps))
        self._kept[new.id] = kept = Kept(new, _run(new, now), self._clock)
        kept.tell()
        self._notify(new.id)
        return _shown(kept)

    async def grow(self, run_id: str, steps: int) -> None:
        """Count steps of the first run."""
        self._now()
        *_, first = self._line(run_id)
        total = self._grown.get(first.run.id, first.run.total_steps) + steps
        if total > MOST_EXPANDED:
            raise RunTooLarge
        self._grown[first.run.id] = total

    async def lineage(self, run_id: str) -> Sequence[str]:
        """The templates of a run and of those that it was started by."""
        self._now()
        return [kept.run.template for kept in self._line(run_id)]

    async def get(self, run_id: str) -> Run:
        """A run with its steps."""
        return _shown(self._the(run_id))

    async def data(self, run_id: str, step_id: str) -> StepData:
        """What a step was given and made, whole."""
        kept = self._the(run_id)
        step = _step(kept.run, step_id)
        return StepData(step.input, step.output, kept.items.get(step_id, {}))

    async def list(self, wanted: RunFilter, after: RunPlace | None, limit: int) -> Sequence[Run]:
        """Runs that fit, the newest first, after a place."""
        self._now()
        found = sorted((kept.run for kept in self._kept.values()), key=_place, reverse=True)
        fits = [run for run in found if _fits(run, wanted) and (after is None or _place(run) < after)]
        return [replace(run, steps=(), inputs={}, context={}, output=None) for run in fits[:limit]]

    async def pause(self, run_id: str) -> Run:
        """Wish for no more steps."""
        return self._wish(run_id, Wishes(pausing=True), RunStatus.PAUSED)

    async def resume(self, run_id: str) -> Run:
        """Wish for it to go on."""
        return self._wish(run_id, Wishes(), RunStatus.PENDING)

    async def cancel(self, run_id: str, reason: str, *, compensate: bool) -> Run:
        """Wish for its end and its children's."""
        kept = self._the(run_id)
        if kept.run.status is RunStatus.CANCELLED:
            return _shown(kept)
        if kept.run.status.terminal:
            raise RunStateConflict(run_id, kept.run.status, "it has ended, and there is nothing to cancel")
        for one in self._family(run_id):
            if not one.run.status.terminal and not one.run.wishes.cancelling:
                self._cancel(one, reason, compensate)
        return _shown(kept)

    async def retry(self, run_id: str, step_id: str, seconds: float | None) -> Run:
        """Take a failed run up again."""
        kept = self._the(run_id)
        if kept.run.status is not RunStatus.FAILED:
            raise RunStateConflict(run_id, kept.run.status, "only a failed run can be taken up again")
        if step_id and (step := _step(kept.run, step_id)).status is not StepStatus.FAILED:
            raise RunStateConflict(run_id, kept.run.status, f"step {step_id!r} is {step.status}, and has not failed")
        group = kept.run.wishes.group + 1
        fresh = {step.id: _again(step, group) for step in kept.run.steps if _to_do(step, step_id)}
        kept.steps_stand(fresh)
        ends = self._clock() + timedelta(seconds=kept.new.timeout if seconds is None else seconds)
        cleared = {"error": None, "output": None, "completed_at": None, "expires_at": ends}
        kept.stand(status=RunStatus.PENDING, wishes=Wishes(group=group), **cleared)
        kept.executor, kept.taken = "", False
        self._grown.pop(run_id, None)
        for step in fresh.values():
            kept.tell(step=step)
        kept.tell()
        self._notify(run_id)
        return _shown(kept)

    async def decide(self, run_id: str, step_id: str, decision: Decision, by: str, comment: str) -> Run:
        """Say yes or no to a step that waits."""
        kept = self._the(run_id)
        step = _step(kept.run, step_id)
        approval = step.approval
        if approval is not None and approval.decision is not None:
            if approval.decision is not decision:
                raise StepNotWaiting(run_id, step_id, f"was decided on by {approval.decided_by}: {approval.decision}")
            return _shown(kept)
        if step.status is not StepStatus.WAITING or approval is None:
            raise StepNotWaiting(run_id, step_id, f"is {step.status} and waits for no approval")
        if kept.run.wishes.cancelling or kept.run.status.terminal:
            raise StepNotWaiting(run_id, step_id, "waits no more: its run has ended, or is being cancelled")
        said = replace(approval, decision=decision, decided_by=by, comment=comment, decided_at=self._clock())
        kept.steps_stand({step_id: replace(step, approval=said)})
        kept.tell(step=_step(kept.run, step_id))
        self._notify(run_id)
        return _shown(kept)

    async def events(self, run_id: str, after: int) -> AsyncGenerator[RunEvent, None]:
        """Events after a sequence, until the run has ended."""
        while True:
            kept = self._the(run_id)
            news, ended = kept.news, kept.run.status.terminal
            following = [event for event in kept.events if event.sequence > after]
            if following and following[0].sequence > after + 1:
                following.insert(0, RunEvent(following[0].sequence - 1, following[0].at, gap=True))
            for event in following:
                yield event
                after = event.sequence
            if ended:
                return
            await news.wait()

    async def backlog(self) -> Mapping[RunStatus, Backlog]:
        """The runs that have not ended, by status."""
        now, found = self._now(), dict[RunStatus, Backlog]()
        for kept in self._kept.values():
            if not kept.run.status.terminal:
                before = found.get(kept.run.status, Backlog(0, 0.0))
                still = 0.0 if self._may_wait(kept) else (now - kept.events[-1].at).total_seconds()
                found[kept.run.status] = Backlog(before.runs + 1, max(before.still, still))
        return found

    def _may_wait(self, kept: Kept) -> bool:
        bounded = kept.run.status is RunStatus.PENDING and kept.new.max_concurrent_runs > 0
        _, *family = self._family(kept.run.id)
        return bounded or any(not child.run.status.terminal for child in family)

    async def prune(self, before: datetime, limit: int) -> int:
        """Forget runs that ended before then."""
        self._now()
        ended = [one for one in self._kept.values() if one.run.completed_at and one.run.completed_at < before]
        roots = [one for one in ended if one.run.parent_run_id not in self._kept][:limit]
        doomed = {one.run.id for root in roots for one in self._family(root.run.id)}
        self._kept = {name: kept for name, kept in self._kept.items() if name not in doomed}
        return len(doomed)

    def _the(self, run_id: str) -> Kept:
        self._now()
        if run_id not in self._kept:
            raise RunNotFound(run_id)
        return self._kept[run_id]

    def _line(self, run_id: str) -> Iterator[Kept]:
        while run_id in self._kept:
            yield (kept := self._kept[run_id])
            run_id = kept.run.parent_run_id

    def _family(self, run_id: str) -> Iterator[Kept]:
        yield self._kept[run_id]
        for child in [kept for kept in self._kept.values() if kept.run.parent_run_id == run_id]:
            yield from self._family(child.run.id)

    def _wish(self, run_id: str, wishes: Wishes, free: RunStatus) -> Run:
        kept = self._the(run_id)
        if kept.run.status.terminal:
            raise RunStateConflict(run_id, kept.run.status, "it has ended")
        if kept.run.wishes.cancelling:
            raise RunStateConflict(run_id, kept.run.status, "it is being cancelled")
        if kept.run.wishes.pausing != wishes.pausing:
            kept.stand(wishes=replace(wishes, group=kept.run.wishes.group))
            if not kept.taken:
                kept.stand(status=free)
                kept.tell()
            self._notify(run_id)
        return _shown(kept)

    def _cancel(self, kept: Kept, reason: str, compensate: bool) -> None:  # noqa: FBT001
        group = kept.run.wishes.group
        kept.stand(wishes=Wishes(cancelling=True, compensating=compensate, reason=reason, group=group))
        self._notify(kept.run.id)
        if not kept.taken and not (compensate and kept.run.started_at):
            over = [one for one in kept.run.steps if not one.status.terminal]
            changes = [StepChange(RunStep(one.id, StepStatus.CANCELLED)) for one in over]
            kept.take_in(changes, RunChange(RunStatus.CANCELLED))


def _run(new: NewRun, now: datetime) -> Run:
    fresh = (replace(step, status=StepStatus.PENDING, attempt_group=1) for step in new.steps)
    return Run(
        new.id,
        new.template,
        new.template_version,
        new.name or new.template,
        new.description,
        RunStatus.PENDING,
        new.created_by,
        now,
        min(now + timedelta(seconds=new.timeout), new.until or datetime.max.replace(tzinfo=UTC)),
        new.inputs,
        new.context,
        new.metadata,
        new.budget,
        new.authority,
        tuple(fresh),
        parent_run_id=new.parent_run_id,
        trace_id=new.trace_id,
        total_steps=len(new.steps),
    )


def _asked(new: NewRun) -> tuple[object, ...]:
    named = (new.template, new.name, new.description, new.timeout, new.parent_run_id)
    return (*named, new.inputs, new.context, new.metadata, new.budget or {})


def _shown(kept: Kept) -> Run:
    return replace(kept.run, steps=tuple(shown_step(step) for step in kept.run.steps))


def _step(run: Run, step_id: str) -> RunStep:
    for step in run.steps:
        if step.id == step_id:
            return step
    raise InvalidInput("step_id", f"run {run.id} has no step {step_id[:80]!r}")


def _place(run: Run) -> RunPlace:
    return run.created_at, run.id


def _fits(run: Run, wanted: RunFilter) -> bool:
    return (
        wanted.template in ("", run.template)
        and wanted.created_by in ("", run.created_by)
        and wanted.parent_run_id in ("", run.parent_run_id)
        and (not wanted.statuses or run.status in wanted.statuses)
        and (wanted.since is None or run.created_at >= wanted.since)
        and (wanted.until is None or run.created_at < wanted.until)
    )


def _to_do(step: RunStep, step_id: str) -> bool:
    failed = step.status is StepStatus.FAILED and step_id in ("", step.id)
    return failed or step.status is StepStatus.CANCELLED or (step.status.terminal and step.compensated)


def _again(step: RunStep, group: int) -> RunStep:
    asked = step.approval and replace(
        step.approval, requested_at=None, expires_at=None, decision=None, decided_by="", comment="", decided_at=None
    )
    fresh = RunStep(step.id, StepStatus.PENDING, step.agent, step.capability, step.needs)
    return replace(fresh, attempts=step.attempts, attempt_group=group, approval=asked)
