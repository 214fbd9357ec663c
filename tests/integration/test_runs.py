"""Runs through whole nodes, none of which executes them: recorded at one, known, watched and wished for at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import orjson
import pytest
from sqlalchemy import text

from a2a_node.client.runs import RunTerms
from a2a_node.model.errors import (
    IdempotencyKeyReused,
    InvalidInput,
    PermissionDenied,
    RunNotFound,
    RunStateConflict,
    StepNotWaiting,
)
from a2a_node.model.runs import (
    Decision,
    Run,
    RunChange,
    RunEvent,
    RunFilter,
    RunStatus,
    RunStep,
    StepApproval,
    StepChange,
    StepStatus,
)
from a2a_node.store import postgres, redis
from a2a_node.store.run_bells import ringing
from a2a_node.store.run_told import Told, events_of
from a2a_node.store.runs import PostgresRuns
from a2a_node.store.wakeups import Wakeup, listening
from tests.integration.people import Meet, meet

__all__ = ["meet"]

SOURCE = """\
name: release
inputs:
  ref: {type: string}
steps:
  build: {agent: echo, capability: say, input: {text: "${{ inputs.ref }}"}}
  gate: {needs: build, approval: {permission: "workflow:release:approve", question: Ship it?}}
"""
GATE = StepApproval("workflow:release:approve", "Ship it?")


@asynccontextmanager
async def executing(postgres_url: str, redis_url: str) -> AsyncIterator[PostgresRuns]:
    """The record as an executor has it."""
    async with (
        postgres.connected(postgres_url) as database,
        redis.connected(redis_url) as shared,
        listening(shared) as wakeups,
        ringing(shared, wakeups) as bells,
    ):
        record = PostgresRuns(database, bells)
        await record.renew("e1", "n1", 60)
        yield record


async def seen(events: AsyncIterator[RunEvent]) -> list[RunEvent]:
    """All of them, to the end."""
    return [event async for event in events]


async def taken(record: PostgresRuns, run: Run) -> None:
    """The executor has the run."""
    async with asyncio.timeout(20):
        while (await record.get(run.id)).status is RunStatus.PENDING:
            await record.claim("e1", 10)


async def test_a_run_is_followed_from_another_node(meet: Meet, postgres_url: str, redis_url: str) -> None:
    """As it goes, without gaps; whoever comes back later gets what is missing."""
    async with (
        meet("one", workflows=False) as one,
        meet("two", workflows=False) as two,
        executing(postgres_url, redis_url) as record,
    ):
        await one.dev.workflows.put(SOURCE)
        how = RunTerms(metadata={"team": "x"}, key="k")
        run = await one.dev.workflows.start("release", {"ref": "v1"}, how)
        assert (run.status, run.inputs, run.metadata) == (RunStatus.PENDING, {"ref": "v1"}, {"team": "x"})
        assert (await two.dev.workflows.start("release", {"ref": "v1"}, how)).id == run.id
        with pytest.raises(IdempotencyKeyReused):
            await two.dev.workflows.start("release", {"ref": "v2"}, RunTerms(key="k"))
        watching = asyncio.create_task(seen(two.dev.workflows.watch(run.id)))
        await taken(record, run)
        for status in (StepStatus.RUNNING, StepStatus.COMPLETED):
            await record.change("e1", run.id, [StepChange(RunStep("build", status, output="large " * 1000))])
        await record.change("e1", run.id, [], RunChange(RunStatus.COMPLETED, {"url": "x"}))
        async with asyncio.timeout(20):
            events = await watching
        assert [event.sequence for event in events] == [1, 2, 3, 4, 5]
        assert await seen(one.dev.workflows.watch(run.id, 3)) == events[3:]
        assert (await one.dev.workflows.run(run.id)).steps[0].omitted
        assert (await two.dev.workflows.run(run.id, "build")).steps[0].output == "large " * 1000
        assert [(one_of.id, one_of.output) async for one_of in two.dev.workflows.runs()] == [(run.id, None)]


async def test_of_two_nodes_that_cancel_and_resume_at_once_both_say_the_same(
    meet: Meet, postgres_url: str, redis_url: str
) -> None:
    """It is cancelled in the end, and nobody was told otherwise after it was."""
    async with (
        meet("one", workflows=False) as one,
        meet("two", workflows=False) as two,
        executing(postgres_url, redis_url) as record,
    ):
        await one.dev.workflows.put(SOURCE)
        for _ in range(5):
            run = await one.dev.workflows.start("release", {"ref": "v1"})
            await taken(record, run)
            await two.dev.workflows.pause(run.id)
            cancelled, resumed = await asyncio.gather(
                one.dev.workflows.cancel(run.id, "stop"), two.dev.workflows.resume(run.id), return_exceptions=True
            )
            assert isinstance(cancelled, Run)
            assert isinstance(resumed, Run | RunStateConflict)
            wishes = (await record.get(run.id)).wishes
            assert (wishes.cancelling, wishes.pausing, wishes.reason) == (True, False, "stop")
            with pytest.raises(RunStateConflict):
                await one.dev.workflows.resume(run.id)


async def test_who_approves_needs_what_the_step_asks_for(meet: Meet, postgres_url: str, redis_url: str) -> None:
    """To call ApproveStep is not enough."""
    async with meet(workflows=False) as one, executing(postgres_url, redis_url) as record:
        await one.dev.workflows.put(SOURCE)
        run = await one.dev.workflows.start("release", {"ref": "v1"})
        await taken(record, run)
        with pytest.raises(PermissionDenied, match="workflow:approve"):
            await one.ann.workflows.approve(run.id, "gate")
        await one.dev.grants.give("person:ann", "workflow:approve")
        with pytest.raises(PermissionDenied, match="workflow:release:approve"):
            await one.ann.workflows.approve(run.id, "gate")
        await one.dev.grants.give("person:ann", "workflow:release:approve")
        with pytest.raises(StepNotWaiting):
            await one.ann.workflows.approve(run.id, "gate")
        await record.change("e1", run.id, [StepChange(RunStep("gate", StepStatus.WAITING, approval=GATE))])
        approved = await one.ann.workflows.approve(run.id, "gate", comment="go")
        assert approved.steps[1].approval is not None
        assert (approved.steps[1].approval.decided_by, approved.steps[1].approval.comment) == ("person:ann", "go")
        await one.ann.workflows.approve(run.id, "gate")
        with pytest.raises(StepNotWaiting, match="decided on by person:ann"):
            await one.dev.workflows.approve(run.id, "gate", Decision.REJECT)


async def test_what_cannot_be_is_refused(meet: Meet) -> None:
    """Too large, unknown, or by somebody who may not."""
    async with meet(workflows=False) as one:
        await one.dev.workflows.put(SOURCE)
        with pytest.raises(InvalidInput, match="inputs: has 1,5"):
            await one.dev.workflows.start("release", {"ref": "x" * 1_500_000})
        with pytest.raises(InvalidInput, match=r"inputs\.ref: is required"):
            await one.dev.workflows.start("release")
        with pytest.raises(PermissionDenied, match="workflow:start"):
            await one.ann.workflows.start("release", {"ref": "v1"})
        nobody = "00000000-0000-4000-8000-000000000000"
        for asked in (one.dev.workflows.run(nobody), seen(one.dev.workflows.watch(nobody))):
            with pytest.raises(RunNotFound):
                await asked
        run = await one.dev.workflows.start("release", {"ref": "v1"})
        with pytest.raises(InvalidInput, match="step_id"):
            await one.dev.workflows.run(run.id, "nope")
        cancelled = await one.dev.workflows.cancel(run.id, "no need")
        assert cancelled.status is RunStatus.CANCELLED
        with pytest.raises(RunStateConflict):
            await one.dev.workflows.retry(run.id)
        assert [event.sequence for event in await seen(one.dev.workflows.watch(run.id))] == [1, 2, 3, 4]
        assert [run_of.id async for run_of in one.dev.workflows.runs(RunFilter(statuses=(RunStatus.FAILED,)))] == []


async def test_watchers_look_by_themselves_without_bells(postgres_url: str, meet: Meet) -> None:
    """Bells only make it sooner."""
    async with meet(workflows=False) as one, postgres.connected(postgres_url) as database:
        await one.dev.workflows.put(SOURCE)
        silent = PostgresRuns(database)
        await silent.renew("e1", "n1", 60)
        run = await one.dev.workflows.start("release", {"ref": "v1"})
        watching = asyncio.create_task(seen(silent.events(run.id, 0)))
        await taken(silent, run)
        await silent.change("e1", run.id, [], RunChange(RunStatus.COMPLETED))
        async with asyncio.timeout(20):
            assert [event.sequence for event in await watching] == [1, 2, 3]


async def test_bells_tell_what_they_ring_for(meet: Meet, postgres_url: str, redis_url: str) -> None:
    """Whoever watches hears the same events by bells alone as are read afterwards."""
    async with (
        meet(workflows=False) as one,
        executing(postgres_url, redis_url) as record,
        redis.connected(redis_url) as shared,
        listening(shared) as wakeups,
    ):
        await one.dev.workflows.put(SOURCE)
        run = await one.dev.workflows.start("release", {"ref": "v1"})
        async with wakeups.of(f"a2a:run:{{{run.id}}}") as bell:
            await taken(record, run)
            told = await rung_for(bell, 2)
            await record.change(
                "e1", run.id, [StepChange(RunStep("build", StepStatus.COMPLETED))], RunChange(RunStatus.COMPLETED)
            )
            told += await rung_for(bell, 4)
        first, *others = [event async for event in record.events(run.id, 0)]
        assert first.run is not None
        assert list(events_of(first.run, told)) == others


async def rung_for(bell: Wakeup, last: int) -> list[Told]:
    """What a bell tells, to that event."""
    told: list[Told] = []
    async with asyncio.timeout(20):
        while not told or told[-1][0] < last:
            await bell.wait()
            told += [event for news in bell.taken() for event in orjson.loads(news)]
    return told


async def test_people_query_the_record(postgres_url: str, meet: Meet) -> None:
    """By the columns that they know, steps among them."""
    async with meet(workflows=False) as one, postgres.connected(postgres_url) as database:
        await one.dev.workflows.put(SOURCE)
        run = await one.dev.workflows.start("release", {"ref": "v1"})
        row = (await database.fetch(text(QUERY)))[0]
        assert (row["id"], row["status"], row["created_by"], row["first"]) == (run.id, "pending", "person:dev", "build")


QUERY = """
SELECT id, name, description, status, steps->0->>'id' AS first, global_context, created_by, created_at, started_at,
  completed_at, metadata FROM workflows
"""
