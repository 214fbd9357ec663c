"""What every record of runs promises to those who ask and wish."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from a2a_node.model.errors import (
    AgentFailed,
    IdempotencyKeyReused,
    InvalidInput,
    RunNotFound,
    RunStateConflict,
    StepNotWaiting,
    StoreUnavailable,
)
from a2a_node.model.runs import (
    Decision,
    NewRun,
    Run,
    RunChange,
    RunFilter,
    RunStatus,
    RunStep,
    RunTooLarge,
    StepApproval,
    StepChange,
    StepStatus,
    Wishes,
)
from a2a_node.model.workflows import MOST_EXPANDED
from tests.contract.run_houses import GATE, House, housed, new_run


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[House]:
    """Nothing was recorded yet."""
    async with housed(registry_url) as opened, asyncio.timeout(60):
        yield opened


async def test_a_run_is_kept_as_it_was_asked_for(house: House) -> None:
    """Pending, its steps in their order, with the time until which it may run."""
    new = NewRun(
        str(uuid4()), "release", 3, [RunStep("b", agent="git", needs=("a",)), RunStep("a")], "person:ann", 90.0,
        "ship 4", "why", {"ref": "ä", "n": [1, 2.5, None]}, {"c": True}, {"team": "x"}, {"calls": 5}, b"\x00\xff", "k",
        "parent", "trace",
    )  # fmt: skip
    run = await house.runs.record(new)
    assert (run.id, run.template, run.template_version, run.status) == (new.id, "release", 3, RunStatus.PENDING)
    assert (run.name, run.description, run.created_by) == ("ship 4", "why", "person:ann")
    assert (run.inputs, run.context, run.metadata) == (new.inputs, new.context, new.metadata)
    assert (run.budget, run.authority) == ({"calls": 5}, b"\x00\xff")
    assert (run.parent_run_id, run.trace_id) == ("parent", "trace")
    assert run.expires_at - run.created_at == pytest.approx(timedelta(seconds=90), abs=timedelta(seconds=1))
    assert [(step.id, step.agent, step.needs, step.status) for step in run.steps] == [
        ("b", "git", ("a",), StepStatus.PENDING),
        ("a", "", (), StepStatus.PENDING),
    ]
    assert (run.total_steps, run.completed_steps, run.wishes) == (2, 0, Wishes())
    assert await house.runs.get(new.id) == run
    assert (await house.record("a")).name == "release"


async def test_a_key_makes_it_safe_to_ask_again(house: House) -> None:
    """The run of before, for the same; for something else the key is refused, and another one may use it, too."""
    first = await house.record("a", key="k")
    assert (await house.record("a", key="k")).id == first.id
    other = new_run("a", key="k", template="other")
    with pytest.raises(IdempotencyKeyReused):
        await house.runs.record(other)
    many = await asyncio.gather(*(house.record("a", key="same") for _ in range(5)))
    assert len({run.id for run in many}) == 1
    assert (await house.record("a")).id != (await house.record("a")).id


async def test_runs_are_listed_the_newest_first(house: House) -> None:
    """By what they are, page by page, without what is large."""
    runs = [await house.record("a") for _ in range(4)]
    child = await house.record("a", parent=runs[0].id)
    await house.runs.cancel(runs[1].id, "", compensate=False)
    everything = await house.runs.list(RunFilter(), None, 10)
    assert {run.id for run in everything} == {child.id, *(run.id for run in runs)}
    assert [run.created_at for run in everything] == sorted((run.created_at for run in everything), reverse=True)
    assert all((run.steps, run.inputs, run.output) == ((), {}, None) for run in everything)
    page = await house.runs.list(RunFilter(), None, 2)
    rest = await house.runs.list(RunFilter(), (page[-1].created_at, page[-1].id), 10)
    assert [*page, *rest] == everything
    for wanted, ids in (
        (RunFilter(statuses=(RunStatus.CANCELLED,)), {runs[1].id}),
        (RunFilter(parent_run_id=runs[0].id), {child.id}),
        (RunFilter(template="other"), set()),
        (RunFilter(created_by="person:ann", template="release"), {run.id for run in everything}),
        (RunFilter(created_by="person:bob"), set()),
        (RunFilter(since=runs[2].created_at, until=child.created_at + timedelta(days=1)), None),
    ):
        found = {run.id for run in await house.runs.list(wanted, None, 10)}
        assert found == ids if ids is not None else runs[2].id in found


async def test_what_never_was_is_not_found(house: House) -> None:
    """Neither a run, nor a step of one."""
    nobody, run = str(uuid4()), await house.record("a")
    for asked in (
        house.runs.get(nobody),
        house.runs.pause(nobody),
        house.runs.cancel(nobody, "", compensate=False),
        house.runs.retry(nobody, "", None),
        house.runs.decide(nobody, "a", Decision.APPROVE, "person:ann", ""),
        house.runs.data(nobody, "a"),
        anext(house.runs.events(nobody, 0)),
    ):
        with pytest.raises(RunNotFound):
            await asked
    for refused in (
        house.runs.data(run.id, "zzz"),
        house.runs.decide(run.id, "zzz", Decision.APPROVE, "person:ann", ""),
    ):
        with pytest.raises(InvalidInput):
            await refused


async def test_what_nobody_has_is_paused_resumed_and_cancelled_at_once(house: House) -> None:
    """The record does it alone; saying it again changes nothing."""
    run = await house.record("a", "b")
    assert (await house.runs.pause(run.id)).status is RunStatus.PAUSED
    assert (await house.runs.pause(run.id)).wishes.pausing
    assert await house.claimed() == []
    assert (await house.runs.resume(run.id)).status is RunStatus.PENDING
    cancelled = await house.runs.cancel(run.id, "no need", compensate=False)
    assert (cancelled.status, cancelled.wishes.reason) == (RunStatus.CANCELLED, "no need")
    assert {step.status for step in cancelled.steps} == {StepStatus.CANCELLED}
    assert cancelled.completed_at is not None
    assert (await house.runs.cancel(run.id, "again", compensate=True)) == cancelled
    for refused in (house.runs.pause(run.id), house.runs.resume(run.id), house.runs.retry(run.id, "", None)):
        with pytest.raises(RunStateConflict, match="cancelled"):
            await refused
    assert await house.claimed() == []


async def test_an_executor_hears_of_wishes(house: House) -> None:
    """Whoever has the run heeds them; the record says what was wished."""
    run = await house.begun("a")
    assert (await house.runs.pause(run.id)).status is RunStatus.RUNNING
    assert (await house.runs.get(run.id)).wishes == Wishes(pausing=True)
    assert not (await house.runs.resume(run.id)).wishes.pausing
    await house.runs.cancel(run.id, "first", compensate=True)
    wished = await house.runs.cancel(run.id, "second", compensate=False)
    assert wished.wishes == Wishes(cancelling=True, compensating=True, reason="first")
    assert wished.status is RunStatus.RUNNING
    for refused in (house.runs.pause(run.id), house.runs.resume(run.id)):
        with pytest.raises(RunStateConflict, match="being cancelled"):
            await refused


async def test_children_are_cancelled_with_their_parent(house: House) -> None:
    """And their children."""
    parent = await house.begun("a")
    child = await house.record("a", parent=parent.id)
    grandchild = await house.record("a", parent=child.id)
    await house.runs.cancel(parent.id, "stop", compensate=False)
    assert [(await house.runs.get(one.id)).status for one in (child, grandchild)] == [RunStatus.CANCELLED] * 2


@pytest.mark.parametrize("round_number", range(5))
async def test_of_two_who_wish_at_once_both_are_answered_by_one_order(house: House, round_number: int) -> None:
    """Cancelled for good, whichever came first; and of two decisions one is heard."""
    run = await house.begun("a")
    await house.runs.pause(run.id)
    await house.says(run, "a", StepStatus.WAITING, approval=GATE)
    both = await asyncio.gather(
        house.runs.cancel(run.id, "stop", compensate=False),
        house.runs.resume(run.id),
        return_exceptions=True,
    )
    assert not isinstance(both[0], BaseException)
    assert isinstance(both[1], Run | RunStateConflict)
    assert (await house.runs.get(run.id)).wishes == Wishes(cancelling=True, reason="stop"), round_number


async def test_of_many_decisions_one_is_heard(house: House) -> None:
    """Who says the same is answered alike, who says otherwise is told."""
    run = await house.begun("gate")
    with pytest.raises(StepNotWaiting, match="waits for no approval"):
        await house.runs.decide(run.id, "gate", Decision.APPROVE, "person:ann", "")
    await house.says(run, "gate", StepStatus.WAITING, approval=GATE)
    said = [Decision.APPROVE, Decision.REJECT] * 3
    answers = await asyncio.gather(
        *(house.runs.decide(run.id, "gate", one, f"person:p{place}", "") for place, one in enumerate(said)),
        return_exceptions=True,
    )
    approval = (await house.runs.get(run.id)).steps[0].approval
    assert approval is not None
    assert approval.decided_at is not None
    assert [isinstance(answer, StepNotWaiting) for answer in answers] == [one is not approval.decision for one in said]
    await house.says(run, "gate", StepStatus.WAITING, approval=GATE, attempts=())
    await house.says(run, "gate", StepStatus.COMPLETED, approval=StepApproval("other:thing"))
    assert (await house.runs.get(run.id)).steps[0].approval == approval


async def test_nobody_decides_for_a_run_that_has_ended(house: House) -> None:
    """However its steps were left: nothing follows the event of its end."""
    run = await house.begun("gate")
    await house.says(run, "gate", StepStatus.WAITING, approval=GATE)
    await house.ends(run, RunStatus.FAILED)
    with pytest.raises(StepNotWaiting, match="has ended"):
        await house.runs.decide(run.id, "gate", Decision.APPROVE, "person:ann", "")
    told = [event async for event in house.runs.events(run.id, 0)]
    assert told[-1].run is not None
    assert told[-1].run.status is RunStatus.FAILED


async def test_a_failed_run_is_taken_up_again(house: House) -> None:
    """What failed is pending again, one group later; what is done stays so."""
    run = await house.begun("done", "bad", "left", "worse")
    await house.says(run, "done", StepStatus.COMPLETED, output={"x": 1})
    with pytest.raises(RunStateConflict, match="only a failed run"):
        await house.runs.retry(run.id, "", None)
    for name in ("bad", "worse"):
        await house.says(run, name, StepStatus.FAILED, error=AgentFailed("git", "broke"))
    await house.says(run, "left", StepStatus.CANCELLED)
    await house.runs.change("e1", run.id, [], RunChange(RunStatus.FAILED, error=AgentFailed("git", "broke")))
    for refused, fault in (("done", RunStateConflict), ("nope", InvalidInput)):
        with pytest.raises(fault):
            await house.runs.retry(run.id, refused, None)
    again = await house.runs.retry(run.id, "bad", 50.0)
    assert (again.status, again.wishes) == (RunStatus.PENDING, Wishes(group=2))
    assert (again.error, again.completed_at) == (None, None)
    assert [(step.status, step.attempt_group, step.error is None) for step in again.steps] == [
        (StepStatus.COMPLETED, 1, True),
        (StepStatus.PENDING, 2, True),
        (StepStatus.PENDING, 2, True),
        (StepStatus.FAILED, 1, False),
    ]
    assert again.steps[0].output == {"x": 1}
    assert [one.id for one in await house.claimed("e2")] == [run.id]


async def test_a_run_and_those_that_it_starts_grow_so_far(house: House) -> None:
    """Wherever they grow, each run counts once; what is too much is not there, and another run has room of its own."""
    root = await house.begun("a", "b")
    child = await house.record("a", parent=root.id, key="k")
    assert (await house.record("a", parent=root.id, key="k")).id == child.id
    await house.runs.grow(child.id, MOST_EXPANDED - 4)
    refused = new_run("a", "b", parent=child.id)
    for growing in (house.runs.grow(root.id, 2), house.runs.record(refused)):
        with pytest.raises(RunTooLarge):
            await growing
    with pytest.raises(RunNotFound):
        await house.runs.get(refused.id)
    made = await asyncio.gather(*(house.record("a", parent=child.id) for _ in range(5)), return_exceptions=True)
    assert sorted(type(one).__name__ for one in made) == ["Run", *["RunTooLarge"] * 4]
    assert (await house.record("a", parent=root.id, key="k")).id == child.id
    await house.runs.record(replace(new_run("a", "b", parent=child.id), undoes=True))
    await house.record("a", parent=(await house.record("a")).id)
    await house.says(root, "a", StepStatus.FAILED, error=AgentFailed("git", "broke"))
    await house.ends(root, RunStatus.FAILED)
    await house.runs.retry(root.id, "", None)
    await house.runs.grow(root.id, MOST_EXPANDED - 2)


async def test_a_run_says_what_it_was_started_by(house: House) -> None:
    """By their templates, from itself to the first; with a time that is set it ends no later."""
    root = await house.record("a")
    until = root.created_at + timedelta(seconds=7)
    child = await house.runs.record(replace(new_run("a", parent=root.id, template="child"), until=until))
    last = await house.runs.record(replace(new_run("a", parent=child.id), until=until + timedelta(days=9)))
    assert await house.runs.lineage(last.id) == ["release", "child", "release"]
    assert await house.runs.lineage(root.id) == ["release"]
    assert child.expires_at == until
    assert last.expires_at - last.created_at == pytest.approx(timedelta(hours=1), abs=timedelta(seconds=1))


async def test_what_ended_long_ago_is_forgotten(house: House) -> None:
    """Children with their parents; what goes on stays."""
    old, fresh = await house.begun("a"), await house.begun("a")
    child = await house.begun("a")
    lost = await house.record("a", parent=old.id)
    await house.claimed()
    await house.ends(old)
    await house.ends(lost)
    await house.elapse(100)
    await house.ends(fresh)
    now = (await house.record("a")).created_at
    assert await house.runs.prune(now - timedelta(seconds=50), 10) == 2
    for gone in (old, lost):
        with pytest.raises(RunNotFound):
            await house.runs.get(gone.id)
    assert (await house.runs.get(child.id)).status is RunStatus.RUNNING
    assert await house.runs.prune(now - timedelta(seconds=50), 10) == 0


async def test_without_the_store_everything_fails_fast(house: House) -> None:
    """Nothing is half done."""
    run = await house.begun("a")
    house.lose()
    events = house.runs.events(run.id, 0)
    for attempt in (
        house.record("a"),
        house.runs.get(run.id),
        house.runs.data(run.id, "a"),
        house.runs.list(RunFilter(), None, 1),
        house.runs.pause(run.id),
        house.runs.claim("e1", 1),
        house.runs.change("e1", run.id, [StepChange(RunStep("a", StepStatus.RUNNING))]),
        house.runs.renew("e1", "n1", 1.0),
        anext(events),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt
    await events.aclose()
