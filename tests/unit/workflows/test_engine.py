"""The executor of runs: each is walked once, whatever is asked of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

import pytest

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.runs import (
    Decision,
    NewRun,
    Run,
    RunChange,
    RunStatus,
    RunStep,
    StepApproval,
    StepChange,
    StepStatus,
)
from a2a_node.model.workflows import Template
from a2a_node.testing import MemoryRuns
from a2a_node.workflows import engine
from a2a_node.workflows.engine import Engine
from a2a_node.workflows.lease import Executor, Lease
from a2a_node.workflows.news import News
from a2a_node.workflows.reading import Recorded
from a2a_node.workflows.walk_ports import House
from tests.unit.workflows.samples import read
from tests.unit.workflows.walks import Agents, NoChildren, Untraced, at_once, inline

WHO = Executor("e1", "n1", 15.0)
SOURCE = (
    "name: work\nsteps:\n  one: {agent: echo, capability: say}\n  two: {agent: echo, capability: say, needs: [one]}\n"
)
GATED = "name: work\nsteps:\n  one: {approval: {permission: 'workflow:x'}}\n"


class Twice:
    """An engine below that begins each run twice, as one does that was asked again because it was late."""

    def __init__(self) -> None:
        self.engine: Engine | None = None
        self.walks: list[asyncio.Task[str]] = []
        self.began = asyncio.Event()

    async def begin(self, run_id: str, group: int) -> None:
        """Begin a run."""
        assert self.engine is not None
        assert group == 1
        self.walks += [asyncio.create_task(self.engine.walk(run_id)) for _ in range(2)]
        self.began.set()

    async def forget(self) -> None:
        """There is nothing to forget."""


class Counted(MemoryRuns):
    """A record that knows how many runs each claim took."""

    def __init__(self) -> None:
        super().__init__()
        self.taken: list[int] = []

    async def claim(
        self, executor: str, limit: int, known: Sequence[str] | None = None, *, fresh: bool = False
    ) -> Sequence[Run]:
        """Take runs."""
        claimed = await super().claim(executor, limit, known, fresh=fresh)
        self.taken.append(len(claimed))
        return claimed


class Unheard(MemoryRuns):
    """A record whose first claim is kept, and whose answer is lost."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: list[str] = []

    async def claim(
        self, executor: str, limit: int, known: Sequence[str] | None = None, *, fresh: bool = False
    ) -> Sequence[Run]:
        """Take runs."""
        claimed = await super().claim(executor, limit, known, fresh=fresh)
        if claimed and not self.lost:
            self.lost = [run.id for run in claimed]
            raise StoreUnavailable("postgres")
        return claimed


async def test_a_run_that_was_claimed_without_an_answer_is_walked_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """It need not wait until the lease of whoever claimed it has ended, for that is renewed."""
    monkeypatch.setattr(engine, "PAUSE", 0.0)
    runs = Unheard()
    agents, _ = await walked(runs)
    assert runs.lost == ["r1"]
    assert agents.order == ["one", "two"]


async def test_runs_that_begin_soon_after_others_are_claimed_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not each by itself."""
    monkeypatch.setattr(engine, "REST", 0.3)
    runs, below = Counted(), Twice()
    below.engine = await made(runs, Agents())
    await recorded(runs, "r1")
    executing = asyncio.create_task(below.engine.execute(below))
    async with asyncio.timeout(60):
        await below.began.wait()
        for name in ("r2", "r3", "r4"):
            await recorded(runs, name)
            await asyncio.sleep(0)
        while sum(runs.taken) < 4:
            below.began.clear()
            await below.began.wait()
    for task in (executing, *below.walks):
        task.cancel()
    await asyncio.wait((executing, *below.walks))
    assert [taken for taken in runs.taken if taken] == [1, 3]


async def test_a_run_that_is_begun_twice_is_walked_once() -> None:
    """Each step is called once, and the walk that came late says nothing of the run."""
    agents, late = await walked(MemoryRuns())
    assert agents.order == ["one", "two"]
    assert late == 1


async def test_what_was_decided_between_the_claim_of_a_run_and_its_walk_is_heard() -> None:
    """The word of it met no walk; the run of an executor that died waits for that decision alone."""
    runs, below = MemoryRuns(), Twice()
    gate = RunStep("one", approval=StepApproval("workflow:x"))
    await runs.record(NewRun("r1", "work", 1, [gate], "person:ada", 3600.0))
    await runs.renew(Executor("e0", "n0", 15.0).id, "n0", 15.0)
    await runs.claim("e0", 1)
    waits = StepChange(replace(gate, status=StepStatus.WAITING))
    await runs.change("e0", "r1", [waits], RunChange(RunStatus.WAITING))
    await runs.release("e0")

    async def decided(*_: object) -> Template:
        if not any(step.approval and step.approval.decision for step in (await runs.get("r1")).steps):
            await runs.decide("r1", "one", Decision.APPROVE, "person:ada", "")
            await asyncio.sleep(0.01)  # whoever listens has heard of it
        return read(GATED)

    below.engine = await made(runs, Agents(), decided)
    executing = asyncio.create_task(below.engine.execute(below))
    async with asyncio.timeout(20):
        await below.began.wait()
        done, late = await asyncio.wait(below.walks, return_when=asyncio.FIRST_COMPLETED)
    assert [walk.result() for walk in done] == [RunStatus.COMPLETED]
    for task in (executing, *late):
        task.cancel()
    await asyncio.wait((executing, *late))


async def walked(runs: MemoryRuns) -> tuple[Agents, int]:
    """Who was called in a run that completed, and how many walks of it came too late."""
    agents, below = Agents(), Twice()
    below.engine = await made(runs, agents)
    run = await recorded(runs, "r1")
    executing = asyncio.create_task(below.engine.execute(below))
    async with asyncio.timeout(60):
        await below.began.wait()
        done, late = await asyncio.wait(below.walks, return_when=asyncio.FIRST_COMPLETED)
    assert [walk.result() for walk in done] == [RunStatus.COMPLETED]
    assert (await runs.get(run.id)).status is RunStatus.COMPLETED
    for task in (executing, *late):
        task.cancel()
    await asyncio.wait((executing, *late))
    return agents, len(late)


async def sample(*_: object) -> Template:
    """The template of the runs here."""
    return read(SOURCE)


async def made(
    runs: MemoryRuns, agents: Agents, template: Callable[[str, int], Awaitable[Template]] = sample
) -> Engine:
    """An executor whose lease has begun."""
    lease, record = Lease(WHO, runs, lambda: None), Recorded(runs, WHO.id)
    await lease.begin()

    def house(_: News) -> House:
        said = record.write, record.run, record.read
        return House(agents, NoChildren(), *said, lease.now, lambda: 0.0, inline, Untraced(), at_once)

    return Engine(WHO, lease, runs, template, house)


async def recorded(runs: MemoryRuns, name: str) -> Run:
    """A run of the template."""
    steps = [RunStep("one"), RunStep("two", needs=("one",))]
    return await runs.record(NewRun(name, "work", 1, steps, "person:ada", 3600.0))
