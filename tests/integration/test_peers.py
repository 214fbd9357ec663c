"""Calls from node to node: any client calls any agent through any node, on real stores."""

from __future__ import annotations

import asyncio
import gc
from collections import Counter
from collections.abc import AsyncIterator
from time import monotonic

import pytest

from a2a_node.agent import Agent
from a2a_node.model.call import Call, Terms
from a2a_node.model.errors import (
    AgentFailed,
    CallCancelled,
    CallLoop,
    CallNotFound,
    DeadlineExceeded,
    InvalidInput,
    MeshError,
    NodeUnreachable,
    NoInstance,
    PermissionDenied,
)
from a2a_node.model.payload import TEXT, Payload
from tests.ample import AMPLE
from tests.integration.peer_agents import PATIENCE, Beside, Work, by_address, by_stream, granted, known, worker
from tests.integration.people import Meet, meet

__all__ = ["meet"]


@pytest.mark.parametrize("beside", [by_stream, by_address], ids=["attached", "endpoint"])
async def test_an_agent_is_called_through_another_node(meet: Meet, beside: Beside) -> None:
    """In every shape of call, with what it answers and how it fails, as if it were here."""
    work = Work()
    async with meet("one") as one, meet("two") as two, beside(worker("far", work), two):
        await known(one, "far")
        assert await one.dev.call("far", "say", {"text": "hello"}) == {"text": "hello"}
        numbers = [number async for number in one.dev.stream("far", "count", {"n": 100})]
        assert numbers == [{"number": n} for n in range(1, 101)]

        async def words() -> AsyncIterator[object]:
            for number in range(50):
                yield {"text": str(number)}

        heard = [answer async for answer in one.dev.converse("far", "talk", words())]
        assert heard == [{"heard": str(number)} for number in range(50)]
        with pytest.raises(MeshError, match="not today") as refused:
            await one.dev.call("far", "refuse", {"code": "ABORTED"})
        assert (refused.value.code, refused.value.reason, refused.value.variables["until"]) == (
            "ABORTED",
            "CLOSED",
            "noon",
        )
        with pytest.raises(InvalidInput) as misread:
            await one.dev.call("far", "say", {"text": 5})
        assert [field for field, _ in misread.value.violations] == ["input.text"]
        with pytest.raises(AgentFailed) as crashed:
            await one.dev.call("far", "crash")
        assert "hunter2" not in str(crashed.value)


async def test_a_hosted_agent_is_called_through_another_node(meet: Meet) -> None:
    """Which hosts none itself."""
    async with meet("one", echo=False) as one, meet("two"):
        await known(one, "echo")
        assert await one.dev.call("echo", "say", {"text": "hello"}) == {"text": "hello"}
        assert [number async for number in one.dev.stream("echo", "count", {"n": 3})] == [
            {"number": n} for n in (1, 2, 3)
        ]


async def test_many_calls_share_one_link(meet: Meet) -> None:
    """Large and small ones, at the same time, each with its own answer."""
    async with meet("one") as one, meet("two") as two, by_stream(worker("far", Work()), two):
        await known(one, "far")
        texts = [f"{number}" * (1 if number % 20 else 40_000) for number in range(300)]
        answers = await asyncio.gather(*(one.dev.call("far", "say", {"text": text}) for text in texts))
        assert answers == [{"text": text} for text in texts]


async def test_small_calls_do_not_wait_for_large_ones(meet: Meet) -> None:
    """Over one link, on which all frames would otherwise wait for those that are as large as they may be."""

    async def timed(text: str) -> float:
        began = monotonic()
        assert await one.dev.call("echo", "say", {"text": text}, timeout=PATIENCE) == {"text": text}
        return monotonic() - began

    async with meet("one", echo=False) as one, meet("two"):
        await known(one, "echo")
        await timed("hello")
        large = asyncio.create_task(timed("x" * (15 * 1024 * 1024)))
        small = list[float]()
        while not large.done():
            small.append(await timed("hello"))
        small.sort()
        assert small[len(small) // 2] < await large / 10
        assert small[len(small) * 99 // 100] < await large


async def test_a_cancelled_call_is_cancelled_on_the_other_node(meet: Meet) -> None:
    """By its client going away, and by CancelCall."""
    for number in range(2):
        work = Work()
        async with meet("one") as one, meet("two") as two, by_stream(worker("far", work), two):
            await known(one, "far")
            call_id = f"3f0b8f9e-58c4-4a3e-8d5c-1a9d3f1c0a1{number}"
            task = asyncio.create_task(one.dev.call("far", "wait", call_id=call_id))
            async with asyncio.timeout(PATIENCE):
                await work.started.wait()
                if number:
                    record = await one.dev.cancel(call_id, "enough")
                    assert record.status == "cancelled"
                    with pytest.raises(CallCancelled, match="enough"):
                        await task
                else:
                    task.cancel()
                await work.stopped.wait()


async def test_a_call_is_known_and_ended_on_every_node(meet: Meet) -> None:
    """Where it came in, where it is served, and where nothing is known of it."""
    work = Work()
    async with meet("one") as one, meet("two") as two, meet("three") as three, by_stream(worker("far", work), two):
        await known(one, "far")
        call_id = "3f0b8f9e-58c4-4a3e-8d5c-1a9d3f1c0a11"
        task = asyncio.create_task(one.dev.call("far", "wait", call_id=call_id))
        async with asyncio.timeout(PATIENCE):
            await work.started.wait()
            for place in (one, two, three):
                record = await place.dev.get_call(call_id)
                assert (record.status, record.path) == ("running", ("far",))
            assert (await three.dev.cancel(call_id, "enough")).status == "cancelled"
            with pytest.raises(CallCancelled, match="enough"):
                await task
            await work.stopped.wait()
        for place in (one, two, three):
            assert (await place.dev.get_call(call_id)).status == "cancelled"
        with pytest.raises(CallNotFound):
            await three.dev.get_call("3f0b8f9e-58c4-4a3e-8d5c-000000000000")


async def test_a_deadline_crosses_the_hop(meet: Meet) -> None:
    """The agent knows less time than its caller has, and is cancelled when it is over."""
    work = Work()
    async with meet("one") as one, meet("two") as two, by_stream(worker("far", work), two):
        await known(one, "far")
        answer = await one.dev.call("far", "hand_on", {"route": []}, timeout=5)
        assert isinstance(answer, dict)
        assert 3 < answer["time_left"] < 5
        with pytest.raises(DeadlineExceeded):
            await one.dev.call("far", "wait", timeout=0.3)
        async with asyncio.timeout(PATIENCE):
            await work.stopped.wait()


async def test_a_loop_through_nodes_is_refused_before_any_agent_works(meet: Meet) -> None:
    """The path goes on over every hop, and so does its limit."""
    works = {name: Work() for name in "abc"}
    async with (
        meet("one") as one,
        meet("two") as two,
        by_stream(worker("a", works["a"]), one),
        by_stream(worker("b", works["b"]), two),
        by_address(worker("c", works["c"]), one),
    ):
        await known(one, *works)
        await known(two, *works)
        answer = await two.dev.call("a", "hand_on", {"route": ["b", "c"]})
        assert isinstance(answer, dict)
        assert answer["path"] == ["a", "b", "c"]
        with pytest.raises(CallLoop) as refused:
            await two.dev.call("a", "hand_on", {"route": ["b", "c", "a"]})
        assert refused.value.variables["path"] == "a > b > c > a"
        assert [work.begun for work in works.values()] == [2, 2, 2]


async def test_permissions_hold_across_nodes(meet: Meet) -> None:
    """Nobody may do through another node what they may not do; nor may an agent for a caller who may not."""
    work = Work()
    async with (
        meet("one") as one,
        meet("two") as two,
        by_stream(worker("far", work), two),
        by_stream(worker("near", work), one),
    ):
        await known(one, "far", "near")
        await known(two, "far", "near")
        with pytest.raises(PermissionDenied, match="person:ann"):
            await one.ann.call("far", "say", {"text": "x"})
        await one.dev.grants.give("person:ann", "agent:near:invoke")
        with pytest.raises(PermissionDenied, match="person:ann"):
            await one.ann.call("near", "hand_on", {"route": ["far"]})
        await one.dev.grants.give("person:ann", "agent:far:invoke")
        await granted(two, "agent:far:invoke")
        assert await one.ann.call("near", "hand_on", {"route": ["far"]})
        only_here = "call.node == 'one'"
        await one.dev.grants.give("person:bob", "agent:far:invoke", conditions=[only_here])
        with pytest.raises(PermissionDenied, match="person:bob"):
            await one.bob.call("far", "say", {"text": "x"})


async def test_a_use_is_counted_once_however_many_nodes_a_call_passes(meet: Meet) -> None:
    """A grant for three uses allows three calls to an agent on another node."""
    async with meet("one") as one, meet("two") as two, by_stream(worker("far", Work()), two):
        await known(one, "far")
        await one.dev.grants.give("person:ann", "agent:far:invoke", conditions=["uses < 3"])
        await granted(two, "agent:far:invoke")
        for _ in range(3):
            assert await one.ann.call("far", "say", {"text": "x"})
        with pytest.raises(PermissionDenied):
            await one.ann.call("far", "say", {"text": "x"})


async def test_an_idempotency_key_means_the_same_on_every_node(meet: Meet) -> None:
    """One call works, whichever node is asked, also by many at the same time."""
    work, begun = Work(), Counter[str]()
    slow = Agent("slow")

    @slow.capability(limit=AMPLE)
    async def say(text: str) -> dict[str, object]:
        begun[text] += 1
        await asyncio.sleep(0.1)
        return {"text": text, "begun": begun[text]}

    async with (
        meet("one") as one,
        meet("two") as two,
        by_stream(worker("far", work), two),
        by_stream(slow, two),
    ):
        await known(one, "far", "slow")
        for key in ("at once", "and again"):
            calls = (place.dev.call("slow", "say", {"text": key}, idempotency_key=key) for place in (one, two) * 10)
            assert await asyncio.gather(*calls) == [{"text": key, "begun": 1}] * 20
        assert begun == {"at once": 1, "and again": 1}
        for place in (one, two, one):
            assert await place.dev.call("far", "say", {"text": "x"}, idempotency_key="k") == {"text": "x"}
        assert work.calls == 1


@pytest.mark.parametrize("beside", [by_stream, by_address], ids=["attached", "endpoint"])
async def test_nothing_is_held_of_a_call_that_is_over(meet: Meet, beside: Beside) -> None:
    """By whatever was begun with it and goes on: links, timers, buckets. Its payload may be large."""
    async with meet("one") as one, meet("two") as two, beside(worker("far", Work()), two):
        await known(one, "far")
        crowd = (one.dev.call("far", "say", {"text": "x"}, idempotency_key=f"k{number}") for number in range(60))
        assert await asyncio.gather(*crowd) == [{"text": "x"}] * 60
        assert [said async for said in one.dev.stream("far", "count", {"n": 2})] == [{"number": 1}, {"number": 2}]
        async with asyncio.timeout(PATIENCE):
            while [kept for kept in gc.get_objects() if isinstance(kept, Call) and kept.agent == "far"]:
                await asyncio.sleep(0.1)
                gc.collect()


async def test_a_slow_reader_slows_the_agent_on_the_other_node(meet: Meet) -> None:
    """What is said ahead is bounded; other calls over the same link go on."""
    work = Work()
    async with meet("one") as one, meet("two") as two, by_stream(worker("far", work), two):
        await known(one, "far")
        big = "x" * 200_000

        agent = Agent("loud")

        @agent.capability(limit=AMPLE)
        async def shout() -> AsyncIterator[dict[str, str]]:
            for number in range(1, 2001):
                work.calls = number
                yield {"text": big}

        async with by_stream(agent, two):
            await known(one, "loud")
            stream = one.dev.stream("loud", "shout")
            assert await anext(stream)
            seen = -1
            while work.calls != seen:  # until the agent has to wait
                seen = work.calls
                await one.dev.call("far", "hand_on", {"route": []})
                await asyncio.sleep(0.3)
            assert seen < 300  # of 200,000 bytes each
            for _ in range(500):
                assert await anext(stream)
            assert work.calls > seen


async def test_when_a_node_stops_its_agents_are_called_elsewhere(meet: Meet) -> None:
    """Without a failed call, and with a clear word once there is nobody left."""
    async with meet("one", echo=False) as one:
        async with meet("three"):
            async with meet("two", drain=20.0) as two:
                await known(one, "echo")
                done: list[object] = []
                stopping = asyncio.Event()

                async def load() -> None:
                    while not stopping.is_set() or len(done) < 200:
                        done.append(await one.dev.call("echo", "say", {"text": "x"}))
                        if len(done) == 50:
                            stopping.set()

                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(load())
                    await stopping.wait()
                    await two.node.drained()
            assert len(done) >= 200
        with pytest.raises((NoInstance, NodeUnreachable)):
            await one.dev.call("echo", "say", {"text": "x"})


async def test_payloads_of_every_kind_pass(meet: Meet) -> None:
    """As objects, as text, as bytes of any type."""
    agent = Agent("far")

    @agent.capability
    async def say(payload: Payload) -> Payload:
        return payload

    async with meet("one") as one, meet("two") as two, by_stream(agent, two):
        await known(one, "far")
        caller = one.dev.caller()
        for said in (Payload({"a": [1, {"b": None}]}), Payload("text", TEXT), Payload(b"\0\1", "image/png")):
            assert await caller.call("far", "say", said, Terms(time_left=5)) == said
