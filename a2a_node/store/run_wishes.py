"""What people wish of runs in Postgres. Each wish locks its run, looks at it, and says what changes."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from a2a_node.model.errors import InvalidInput, MeshError, RunNotFound, RunStateConflict, StepNotWaiting
from a2a_node.model.runs import Decision, Run, RunChange, RunStatus, RunStep, StepChange, StepStatus, Wishes
from a2a_node.store.postgres import Transaction
from a2a_node.store.run_changes import parameters
from a2a_node.store.run_json import clean
from a2a_node.store.run_record import RunRecord
from a2a_node.store.run_rows import run_from
from a2a_node.store.run_statements import CHANGE, GET, HOLD
from a2a_node.store.run_wish_statements import DECIDE, FAMILY, RETRY, TAKE, WISH

ITSELF = "record"  # the executor that ends what no other one has


@dataclass(frozen=True, slots=True)
class Held:
    """A run whose row is locked, and whether an executor has it or had it."""

    run: Run
    taken: bool


class RunWishes(RunRecord):
    """Wishes and decisions, of the port `Runs`."""

    async def pause(self, run_id: str) -> Run:
        """Wish for no more steps."""
        return await self._wished(run_id, _pause)

    async def resume(self, run_id: str) -> Run:
        """Wish for it to go on."""
        return await self._wished(run_id, _resume)

    async def cancel(self, run_id: str, reason: str, *, compensate: bool) -> Run:
        """Wish for its end and its children's."""
        ended: list[str] = []  # children that nobody has

        async def cancel(change: Transaction, held: Held) -> None:
            if held.run.status is RunStatus.CANCELLED:
                return
            check_open(held.run, "it has ended, and there is nothing to cancel")
            await _cancel(change, held, reason, compensate)
            for row in await change.fetch(FAMILY, {"id": run_id}):
                child = await locked(change, row["id"])
                if not child.run.status.terminal and await _cancel(change, child, reason, compensate):
                    ended.append(child.run.id)

        run = await self._wished(run_id, cancel)
        self.came[RunStatus.CANCELLED.value] += len(ended)
        return run

    async def retry(self, run_id: str, step_id: str, seconds: float | None) -> Run:
        """Take a failed run up again."""

        async def retry(change: Transaction, held: Held) -> None:
            check_retry(held.run, step_id)
            group = held.run.wishes.group + 1
            await change.fetch(RETRY, {"id": run_id, "step": step_id, "group": group, "seconds": seconds})

        return await self._wished(run_id, retry)

    async def decide(self, run_id: str, step_id: str, decision: Decision, by: str, comment: str) -> Run:
        """Say yes or no to a step that waits."""

        async def decide(change: Transaction, held: Held) -> None:
            if check_waiting(held.run, step_id, decision):
                said = {"decision": decision.value, "by": by, "comment": clean(comment)}
                await change.fetch(DECIDE, {"id": run_id, "step": step_id, **said})

        return await self._wished(run_id, decide)

    async def _wished(self, run_id: str, wish: Callable[[Transaction, Held], Awaitable[None]]) -> Run:
        async with self._postgres.writing() as change:
            held = await locked(change, run_id)
            await wish(change, held)
            run = run_from((await change.fetch(GET, {"id": run_id}))[0])
        self._count(held.run.status, run.status)
        self._ring(run_id)
        return run


def check_open(run: Run, problem: str) -> None:
    """RunStateConflict when the run has ended."""
    if run.status.terminal:
        raise RunStateConflict(run.id, run.status, problem)


def check_retry(run: Run, step_id: str) -> None:
    """RunStateConflict when the run, or the step of it, has not failed; InvalidInput for a step that there is not."""
    if run.status is not RunStatus.FAILED:
        raise RunStateConflict(run.id, run.status, "only a failed run can be taken up again")
    if step_id and the_step(run, step_id).status is not StepStatus.FAILED:
        status = the_step(run, step_id).status
        raise RunStateConflict(run.id, run.status, f"step {step_id!r} is {status}, and has not failed")


def the_step(run: Run, step_id: str) -> RunStep:
    """The step of that id; InvalidInput."""
    for step in run.steps:
        if step.id == step_id:
            return step
    raise InvalidInput("step_id", f"run {run.id} has no step {step_id[:80]!r}")


def check_waiting(run: Run, step_id: str, decision: Decision) -> bool:
    """Whether the decision is still to be made; StepNotWaiting when it was made otherwise, or nobody asks for it."""
    step = the_step(run, step_id)
    approval = step.approval
    if approval is not None and approval.decision is not None:
        if approval.decision is decision:
            return False
        raise StepNotWaiting(run.id, step_id, f"was decided on by {approval.decided_by}: {approval.decision}")
    if step.status is not StepStatus.WAITING or approval is None:
        raise StepNotWaiting(run.id, step_id, f"is {step.status} and waits for no approval")
    if run.wishes.cancelling or run.status.terminal:
        raise StepNotWaiting(run.id, step_id, "waits no more: its run has ended, or is being cancelled")
    return True


def going_on(run: Run) -> None:
    """RunStateConflict for what neither pauses nor goes on any more."""
    check_open(run, "it has ended")
    if run.wishes.cancelling:
        raise RunStateConflict(run.id, run.status, "it is being cancelled")


async def locked(change: Transaction, run_id: str) -> Held:
    """Lock a run; RunNotFound."""
    rows = await change.fetch(HOLD, {"id": run_id})
    if not rows:
        raise RunNotFound(run_id)
    # read once it is locked: what one statement reads may be older than what it waited for
    return Held(run_from((await change.fetch(GET, {"id": run_id}))[0]), rows[0]["taken"])


async def _pause(change: Transaction, held: Held) -> None:
    going_on(held.run)
    if not held.run.wishes.pausing:
        await _wish(change, held.run, Wishes(pausing=True), held.run.status if held.taken else RunStatus.PAUSED)


async def _resume(change: Transaction, held: Held) -> None:
    going_on(held.run)
    if held.run.wishes.pausing:
        await _wish(change, held.run, Wishes(), held.run.status if held.taken else RunStatus.PENDING)


async def _cancel(change: Transaction, held: Held, reason: str, compensate: bool) -> bool:  # noqa: FBT001
    """Wish for its end; whether that was all that it needed."""
    if held.run.wishes.cancelling:
        return False
    wishes = Wishes(cancelling=True, compensating=compensate, reason=clean(reason))
    await _wish(change, held.run, wishes, held.run.status)
    if held.taken or (compensate and held.run.started_at):
        return False
    await end(change, held.run, RunStatus.CANCELLED)
    return True


async def end(change: Transaction, run: Run, status: RunStatus, error: MeshError | None = None) -> None:
    """End a run that no executor has, and its steps."""
    await change.fetch(TAKE, {"id": run.id, "executor": ITSELF})
    over = [StepChange(RunStep(step.id, StepStatus.CANCELLED)) for step in run.steps if not step.status.terminal]
    await change.fetch(CHANGE, parameters(ITSELF, run.id, over, RunChange(status, error=error)))


async def _wish(change: Transaction, run: Run, wishes: Wishes, status: RunStatus) -> None:
    said = {"pausing": wishes.pausing, "cancelling": wishes.cancelling, "compensating": wishes.compensating}
    await change.fetch(WISH, {"id": run.id, "status": status.value, "reason": wishes.reason, **said})
