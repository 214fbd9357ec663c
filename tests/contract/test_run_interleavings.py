"""Whatever is said of runs by whomever, in whatever order: what every record of runs always keeps to."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from a2a_node.model.errors import MeshError
from a2a_node.model.runs import Decision, Run, RunChange, RunLost, RunStatus, RunStep, StepChange, StepStatus
from tests.contract.run_houses import GATE, House, housed, new_run

RUNS, STEPS, EXECUTORS, MOST = 3, ("a", "b"), ("e1", "e2"), 2
Move = tuple[str, int, int, int]  # what, of which run, by or of which of several, and one more choice
MOVES = st.lists(
    st.tuples(
        st.sampled_from(
            ("claim", "lapse", "change", "end", "pause", "resume", "cancel", "retry", "decide", "release", "wait")
        ),
        *(st.integers(0, most) for most in (RUNS - 1, 1, 5)),
    ),
    max_size=40,
)
SAID = (StepStatus.RUNNING, StepStatus.WAITING, StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.SKIPPED)
ENDS = (RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED)


class Play:
    """A record, and what was promised about each run so far."""

    def __init__(self, house: House, runs: Sequence[Run]) -> None:
        self.house, self.record = house, house.runs
        self.ids = [run.id for run in runs]
        self.decided: dict[tuple[str, str, int], Decision] = {}
        self.holders: dict[str, str] = {}  # who claimed a run last

    async def move(self, move: Move) -> None:
        """One of them does something, and may be refused."""
        what, run, which, choice = move
        with suppress(MeshError):
            await getattr(self, what)(self.ids[run], which, choice)

    async def claim(self, _: str, which: int, choice: int) -> None:
        """Executors that live."""
        await self.record.renew(EXECUTORS[which], "n1", 15)
        for run in await self.record.claim(EXECUTORS[which], choice):
            self.holders[run.id] = EXECUTORS[which]

    async def lapse(self, *_: object) -> None:
        """Time passes for all leases."""
        await self.house.elapse(16)

    async def release(self, _: str, which: int, __: int) -> None:
        """One of them leaves."""
        await self.record.release(EXECUTORS[which])

    async def change(self, run_id: str, which: int, choice: int) -> None:
        """An executor says how a step stands; whoever does not have the run changes nothing."""
        status = SAID[choice % len(SAID)]
        step = RunStep(STEPS[choice % 2], status, approval=GATE if status is StepStatus.WAITING else None)
        await self._said(run_id, EXECUTORS[which], [StepChange(step)], None)

    async def end(self, run_id: str, which: int, choice: int) -> None:
        """An executor says that a run is over."""
        await self._said(run_id, EXECUTORS[which], [], RunChange(ENDS[choice % len(ENDS)]))

    async def _said(self, run_id: str, executor: str, steps: Sequence[StepChange], run: RunChange | None) -> None:
        before = await self.record.get(run_id)
        try:
            await self.record.change(executor, run_id, steps, run)
        except RunLost:
            assert await self.record.get(run_id) == before
        else:
            assert self.holders.get(run_id) == executor or await self.record.get(run_id) == before

    async def pause(self, run_id: str, *_: object) -> None:
        """Somebody pauses."""
        await self.record.pause(run_id)

    async def resume(self, run_id: str, *_: object) -> None:
        """Somebody has it go on."""
        await self.record.resume(run_id)

    async def cancel(self, run_id: str, which: int, _: int) -> None:
        """Somebody cancels."""
        await self.record.cancel(run_id, "stop", compensate=bool(which))

    async def retry(self, run_id: str, *_: object) -> None:
        """Somebody takes it up again; nobody has it then."""
        await self.record.retry(run_id, "", None)
        self.holders.pop(run_id, None)

    async def decide(self, run_id: str, which: int, choice: int) -> None:
        """Two decide at once."""
        step, both = STEPS[which], (Decision.APPROVE, Decision.REJECT) if choice % 2 else (Decision.REJECT,) * 2
        with suppress(MeshError):
            await asyncio.gather(*(self.record.decide(run_id, step, one, f"person:{one}", "") for one in both))

    async def wait(self, *_: object) -> None:
        """Nothing happens."""

    async def check(self) -> None:
        """What always holds."""
        runs = [await self.record.get(run_id) for run_id in self.ids]
        assert len([run for run in runs if run.id in self.holders and not run.status.terminal]) <= MOST
        for run in runs:
            self._check_decisions(run)
            done = Counter(step.status in (StepStatus.COMPLETED, StepStatus.SKIPPED) for step in run.steps)
            assert run.completed_steps == done[True]
            assert (run.completed_at is not None) == run.status.terminal

    def _check_decisions(self, run: Run) -> None:
        for step in run.steps:
            if step.approval is not None and step.approval.decision is not None:
                key = run.id, step.id, step.attempt_group
                assert self.decided.setdefault(key, step.approval.decision) is step.approval.decision

    async def check_events(self) -> None:
        """Every run's events are numbered from 1 without gaps, and the last ones say how it stands."""
        for run_id in self.ids:
            with suppress(MeshError):
                await self.record.cancel(run_id, "over", compensate=False)
            await self._said(run_id, self.holders.get(run_id, "nobody"), [], RunChange(RunStatus.CANCELLED))
            run = await self.record.get(run_id)
            assert run.status.terminal
            events = [event async for event in self.record.events(run_id, 0)]
            assert [event.sequence for event in events] == list(range(1, len(events) + 1))
            assert [event.run.status for event in events if event.run][-1] is run.status
            last = {event.step.id: event.step for event in events if event.step}
            assert all(last[step.id] == step for step in run.steps if step.id in last)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=MOVES)
def test_a_record_keeps_to_what_it_promises(registry_url: str | None, moves: Sequence[Move]) -> None:
    """One holder and one decision, no more than may run, late writers change nothing, sequences without gaps."""
    asyncio.run(played(registry_url, moves))


async def played(url: str | None, moves: Sequence[Move]) -> None:
    """Play the moves on runs of a template of their own."""
    async with housed(url) as house, asyncio.timeout(60):
        first = new_run(*STEPS)
        template = f"t-{first.id}"
        runs = [await house.runs.record(new_run(*STEPS, most=MOST, template=template)) for _ in range(RUNS)]
        play = Play(house, runs)
        for move in moves:
            await play.move(move)
            await play.check()
        await play.check_events()
        for run in runs:
            assert (await house.runs.get(run.id)).status.terminal
