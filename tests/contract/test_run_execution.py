"""What every record of runs promises to those who execute them, and to those who watch."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import pytest

from a2a_node.model.errors import AgentFailed
from a2a_node.model.runs import (
    INLINE,
    MOST_EVENTS,
    Decision,
    Run,
    RunChange,
    RunEvent,
    RunLost,
    RunStatus,
    RunStep,
    StepAttempt,
    StepChange,
    StepItems,
    StepStatus,
    Wishes,
)
from tests.contract.run_houses import GATE, House, housed

AT = datetime(2030, 1, 1, tzinfo=UTC)


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[House]:
    """Nothing was recorded yet."""
    async with housed(registry_url) as opened, asyncio.timeout(60):
        yield opened


async def until_now(house: House, run: Run, after: int = 0) -> list[RunEvent]:
    """The events of a run up to the last one that there is."""
    last = (await house.runs.get(run.id)).status.terminal
    found: list[RunEvent] = []
    events = house.runs.events(run.id, after)
    async with aclosing(events):
        try:
            async with asyncio.timeout(None if last else 0.4):
                async for event in events:
                    found.append(event)  # noqa: PERF401 - what came before the time is over
        except TimeoutError:
            pass
    return found


async def test_a_claimed_run_is_nobody_elses(house: House) -> None:
    """As long as the lease lives; the oldest come first."""
    runs = [await house.record("a") for _ in range(3)]
    first = await house.claimed("e1", 2)
    assert [run.id for run in first] == [run.id for run in runs[:2]]
    assert {(run.status, run.inputs["ref"], run.authority, len(run.steps)) for run in first} == {
        (RunStatus.RUNNING, "main", b"\x00\xff", 1)
    }
    assert [run.id for run in await house.claimed("e2")] == [runs[2].id]
    await house.elapse(16)
    await house.runs.renew("e1", "n1", 15)
    assert [run.id for run in await house.claimed("e3")] == [runs[2].id]
    await house.runs.release("e1")
    assert [run.id for run in await house.claimed("e3")] == [run.id for run in runs[:2]]
    assert await house.claimed("e1") == []


async def test_a_claim_without_an_answer_comes_again(house: House) -> None:
    """To whoever says which runs it knows that it has."""
    first, second = await house.record("a"), await house.record("a")
    assert len(await house.claimed("e1")) == 2
    assert await house.claimed("e1") == []
    assert await house.runs.claim("e2", 10, []) == []
    assert await house.runs.claim("e1", 10, [], fresh=True) == []
    (again,) = await house.runs.claim("e1", 10, [first.id])
    assert (again.id, again.status, len(again.steps)) == (second.id, RunStatus.RUNNING, 1)
    assert await house.runs.claim("e1", 10, [first.id, second.id]) == []


async def test_of_many_who_claim_each_run_has_one(house: House) -> None:
    """However many ask at once."""
    runs = [await house.record("a") for _ in range(12)]
    claims = await asyncio.gather(*(house.claimed(f"e{number}", 3) for number in range(6)))
    claims += await asyncio.gather(*(house.claimed(f"e{number}", 12) for number in range(6)))
    assert sorted(run.id for claim in claims for run in claim) == sorted(run.id for run in runs)


async def test_no_more_run_than_may(house: House) -> None:
    """Of one template, whoever claims, whenever others end; paused ones count."""
    runs = {run.id: run for run in [await house.record("a", most=2) for _ in range(7)]}
    done: set[str] = set()
    while len(done) < len(runs):
        claims = await asyncio.gather(*(house.claimed(f"e{number}", 3) for number in range(4)))
        taken = [(number, run.id) for number, claim in enumerate(claims) for run in claim]
        assert len(taken) == min(2, len(runs) - len(done))
        await house.runs.pause(taken[0][1])
        assert [await house.claimed(f"e{number}") for number in range(4)] == [[], [], [], []]
        for number, run_id in taken:
            await house.runs.change(f"e{number}", run_id, [], RunChange(RunStatus.COMPLETED))
            done.add(run_id)
    assert done == set(runs)


async def test_what_nobody_took_in_time_fails(house: House) -> None:
    """It does not wait for ever for others of its template."""
    first, second = await house.record("a", most=1), await house.record("a", most=1)
    assert [run.id for run in await house.claimed()] == [first.id]
    await house.elapse(3601)
    await house.claimed()
    run = await house.runs.get(second.id)
    assert (run.status, run.error.reason if run.error else "") == (RunStatus.FAILED, "DEADLINE_EXCEEDED")
    assert (await house.runs.get(first.id)).status is RunStatus.RUNNING


async def test_whoever_comes_late_changes_nothing(house: House) -> None:
    """Neither one who lost the run, nor one who never had it, nor one who ended it."""
    run = await house.begun("a")
    await house.elapse(16)
    assert [one.id for one in await house.claimed("e2")] == [run.id]
    await house.runs.change("e2", run.id, [StepChange(RunStep("a", StepStatus.RUNNING))])
    before = await house.runs.get(run.id)
    for executor in ("e1", "e3"):
        with pytest.raises(RunLost):
            await house.runs.change(executor, run.id, [StepChange(RunStep("a", StepStatus.COMPLETED))])
    assert await house.runs.get(run.id) == before
    end = RunChange(RunStatus.COMPLETED)
    await house.runs.change("e2", run.id, [StepChange(RunStep("a", StepStatus.COMPLETED))], end)
    over = await house.runs.get(run.id)
    assert (await house.runs.change("e2", run.id, [], end)).sequences == ()
    with pytest.raises(RunLost):
        await house.runs.change("e2", run.id, [], RunChange(RunStatus.FAILED))
    assert await house.runs.get(run.id) == over


async def test_a_change_hears_what_people_want(house: House) -> None:
    """From the moment that they said so."""
    run = await house.begun("a")
    begun = [StepChange(RunStep("a", StepStatus.RUNNING))]
    assert (await house.runs.change("e1", run.id, begun)).wishes == Wishes()
    await house.runs.pause(run.id)
    ended = [StepChange(RunStep("a", StepStatus.COMPLETED))]
    assert (await house.runs.change("e1", run.id, ended)).wishes == Wishes(pausing=True)
    await house.runs.cancel(run.id, "enough", compensate=True)
    wishes = (await house.runs.change("e1", run.id, [], RunChange(RunStatus.CANCELLED))).wishes
    assert wishes == Wishes(cancelling=True, compensating=True, reason="enough")


async def test_a_step_says_all_of_itself(house: House) -> None:
    """The record says when; what a change leaves out stays."""
    run = await house.begun("a", "b")
    attempt = StepAttempt(1, AT, "n1", "c1", AT, AgentFailed("git", "broke \0"))
    said = await house.says(run, "a", StepStatus.RUNNING, input={"x": 1}, agent="hg", attempts=(attempt,))
    assert list(said) == [3]
    step = (await house.runs.get(run.id)).steps[0]
    assert (step.status, step.input, step.agent, step.capability) == (StepStatus.RUNNING, {"x": 1}, "hg", "clone")
    assert step.started_at is not None
    assert step.completed_at is None
    kept = step.attempts[0]
    assert (kept.attempt, kept.started_at, kept.node_id, kept.call_id, kept.completed_at) == (1, AT, "n1", "c1", AT)
    assert isinstance(kept.error, AgentFailed)
    assert kept.error.message.replace("\ufffd", "\0") == AgentFailed("git", "broke \0").message
    many = tuple(StepAttempt(number, AT) for number in range(1, 31))
    more = {"items": StepItems(3, 2, 1), "child_run_id": "c"}
    await house.says(run, "a", StepStatus.COMPLETED, output=[1, None], attempts=many, **more)
    done = await house.runs.get(run.id)
    step, needing = done.steps
    assert (step.input, step.output, step.agent, needing.needs) == ({"x": 1}, [1, None], "hg", ("a",))
    assert [one.attempt for one in step.attempts] == list(range(11, 31))
    assert (step.items, step.child_run_id, step.attempt_group) == (StepItems(3, 2, 1), "c", 1)
    assert step.completed_at is not None
    assert done.completed_steps == 1
    await house.says(run, "a", StepStatus.COMPLETED, attempts=many, compensated=True)
    assert (await house.runs.get(run.id)).steps[0].compensated
    assert (await house.runs.get(run.id)).completed_steps == 1


async def test_saying_it_again_makes_no_event(house: House) -> None:
    """An executor that begins again repeats itself."""
    run = await house.begun("a")
    for _ in range(2):
        said = await house.says(run, "a", StepStatus.COMPLETED, output="done")
    assert list(said) == []
    assert [event.sequence for event in await until_now(house, run)] == [1, 2, 3]


async def test_large_values_stand_apart(house: House) -> None:
    """The step says that they do; asked for alone it has them, and items by their index."""
    run = await house.begun("a", "b")
    large, odd = "x" * (INLINE + 1), "a\0b"
    await house.says(run, "a", StepStatus.RUNNING, input={"text": "small"})
    change = StepChange(RunStep("a", StepStatus.COMPLETED, output=large), items={0: "zero", 7: {"n": odd}})
    await house.runs.change("e1", run.id, [change])
    step = (await house.runs.get(run.id)).steps[0]
    assert (step.input, step.output, step.omitted) == ({"text": "small"}, None, True)
    data = await house.runs.data(run.id, "a")
    assert (data.input, data.output, data.items) == ({"text": "small"}, large, {0: "zero", 7: {"n": odd}})
    await house.says(run, "b", StepStatus.COMPLETED, input={"text": odd}, output=odd)
    data = await house.runs.data(run.id, "b")
    assert (data.input, data.output, data.items) == ({"text": odd}, odd, {})
    events = await until_now(house, run)
    assert [(event.step.omitted, event.step.output) for event in events if event.step][-2:] == [(True, None)] * 2


async def test_many_changes_are_one(house: House) -> None:
    """Of steps in their order, then of the run; the last word of a step counts."""
    run = await house.begun("a", "b", "c")
    changed = await house.runs.change(
        "e1",
        run.id,
        [
            StepChange(RunStep("a", StepStatus.RUNNING)),
            StepChange(RunStep("b"), progress={"percent": 50}),
            StepChange(RunStep("c", StepStatus.SKIPPED)),
            StepChange(RunStep("a", StepStatus.COMPLETED, output=1)),
        ],
        RunChange(RunStatus.COMPLETED, {"done": True}),
    )
    assert list(changed.sequences) == [3, 4, 5, 6]
    ended = await house.runs.get(run.id)
    assert (ended.status, ended.output, ended.completed_steps) == (RunStatus.COMPLETED, {"done": True}, 2)
    assert ended.steps[2].started_at is None
    events = await until_now(house, run, 2)
    assert [event.sequence for event in events] == [3, 4, 5, 6]
    assert {event.step.id for event in events if event.step} == {"a", "c"}
    assert [event.progress for event in events if event.progress] == [("b", {"percent": 50})]
    told = events[-1].run
    assert told is not None
    assert (told.status, told.output, told.completed_steps, told.steps) == (RunStatus.COMPLETED, {"done": True}, 2, ())


async def test_events_are_followed_to_the_end(house: House) -> None:
    """From wherever one was, without gaps, and no further than the end."""
    run = await house.record("gate")
    seen: list[RunEvent] = []

    async def watch() -> None:
        async for event in house.runs.events(run.id, 0):
            seen.append(event)  # noqa: PERF401 - read while it grows

    watching = asyncio.create_task(watch())
    await house.claimed()
    await house.says(run, "gate", StepStatus.WAITING, approval=GATE)
    await house.runs.decide(run.id, "gate", Decision.APPROVE, "person:ann", "go")
    await house.says(run, "gate", StepStatus.COMPLETED)
    await house.ends(run)
    await watching
    assert [event.sequence for event in seen] == [1, 2, 3, 4, 5, 6]
    stood = [event.run.status if event.run else event.step.status if event.step else None for event in seen]
    assert stood == ["pending", "running", "waiting", "waiting", "completed", "completed"]
    assert [event.sequence async for event in house.runs.events(run.id, 4)] == [5, 6]
    assert [event async for event in house.runs.events(run.id, 99)] == []


async def test_sequences_have_no_gaps_whoever_speaks(house: House) -> None:
    """An executor, people who wish, and those who decide, all at once."""
    names = [f"s{number}" for number in range(12)]
    run = await house.begun(*names)

    async def work(name: str) -> None:
        await house.says(run, name, StepStatus.WAITING, approval=GATE)
        await house.runs.decide(run.id, name, Decision.APPROVE, "person:ann", "")
        await house.says(run, name, StepStatus.COMPLETED)

    await asyncio.gather(*(work(name) for name in names), *(house.runs.pause(run.id) for _ in range(5)))
    await house.ends(run)
    ended = await house.runs.get(run.id)
    assert ended.completed_steps == 12
    assert all(step.approval is not None and step.approval.decision for step in ended.steps)
    assert [event.sequence for event in await until_now(house, run)] == list(range(1, 2 + 36 + 2))


async def test_of_very_many_events_the_newest_are_kept(house: House) -> None:
    """Whoever comes late is told of the gap."""
    run = await house.begun("a")
    told = [StepChange(RunStep("a"), progress=number) for number in range(500)]
    for _ in range(MOST_EVENTS // 500 + 1):
        await house.runs.change("e1", run.id, told)
    await house.ends(run)
    events = await until_now(house, run)
    assert events[0].gap
    assert [event.sequence for event in events] == list(range(events[0].sequence, MOST_EVENTS + 504))
    assert 0 < MOST_EVENTS - (len(events) - 1) < 500


async def test_executors_hear_what_is_to_be_done(house: House) -> None:
    """Runs that were recorded, wished for and decided on, and children that ended with their parents; no more."""
    parent = await house.begun("a", "gate")
    async with house.runs.wanted() as wanted:
        child = await house.record("a", parent=parent.id)
        assert await anext(wanted) == child.id
        await house.claimed()
        await house.says(child, "a", StepStatus.COMPLETED)
        await house.says(parent, "gate", StepStatus.WAITING, approval=GATE)
        await house.runs.pause(parent.id)
        assert await anext(wanted) == parent.id
        await house.runs.decide(parent.id, "gate", Decision.APPROVE, "person:ann", "")
        assert await anext(wanted) == parent.id
        await house.ends(child)
        assert {await anext(wanted), await anext(wanted)} == {child.id, parent.id}
        await house.runs.release("e1")
        assert await anext(wanted) == ""
        house.lose()


async def test_what_has_not_ended_is_counted_and_how_long_it_stands_still(house: House) -> None:
    """By status; each event of a run, or of a step of it, is a move."""
    first, second = await house.begun("a"), await house.begun("a")
    await house.ends(await house.begun("a"))
    await house.elapse(60)
    await house.says(first, "a", StepStatus.RUNNING)
    waits = await house.record("a")
    found = await house.runs.backlog()
    assert {status: one.runs for status, one in found.items()} == {RunStatus.RUNNING: 2, RunStatus.PENDING: 1}
    assert 60 <= found[RunStatus.RUNNING].still < 120
    assert found[RunStatus.PENDING].still < 60
    await house.says(second, "a", StepStatus.RUNNING)
    assert (await house.runs.backlog())[RunStatus.RUNNING].still < 60
    await house.runs.cancel(waits.id, "", compensate=False)
    assert RunStatus.PENDING not in await house.runs.backlog()


async def test_what_waits_for_other_runs_does_not_stand_still(house: House) -> None:
    """Neither a parent whose child has not ended, nor what its template's bound holds back."""
    parent = await house.begun("a")
    child = await house.record("a", parent=parent.id)
    await house.record("a", most=1)
    await house.elapse(60)
    found = await house.runs.backlog()
    assert found[RunStatus.RUNNING].still == 0
    assert (found[RunStatus.PENDING].runs, found[RunStatus.PENDING].still >= 60) == (2, True)
    await house.runs.cancel(child.id, "", compensate=False)
    found = await house.runs.backlog()
    assert (found[RunStatus.RUNNING].still >= 60, found[RunStatus.PENDING].still) == (True, 0)


async def test_whoever_renews_hears_the_time(house: House) -> None:
    """By the clock that leases and deadlines go by."""
    before = await house.runs.renew("e1", "n1", 15.0)
    run = await house.record("a")
    assert before <= run.created_at <= await house.runs.renew("e1", "n1", 15.0)
