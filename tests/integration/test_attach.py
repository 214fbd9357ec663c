"""Agents that dial the node, over real gRPC: calls both ways."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from time import monotonic

from a2a_node.attach import Options, attached
from a2a_node.model.errors import DeadlineExceeded, InvalidInput, PayloadTooLarge
from tests.integration.attach_house import KEY, LIMIT, client, house
from tests.integration.attach_worker import PATIENCE, Worker, refused


async def test_an_agent_can_be_called_from_the_moment_it_is_attached() -> None:
    """It is registered under its own name, as an instance of this node."""
    worker = Worker()
    async with house() as here, attached(worker.agent, here.address, key=KEY) as place, client(here) as mesh:
        assert await mesh.call("worker", "say", {"text": "hello"}) == {"result": "hello"}
        entry = here.directory.find("worker")
        assert [(instance.id, instance.node) for instance in entry.instances] == [(place.instance_id, place.node_id)]
        assert entry.agent.owner == "person:dev"
        assert worker.contexts[0].config == {"own": True}


async def test_a_changed_config_is_known_from_the_next_call_on() -> None:
    """The agent stays attached, and need not ask."""
    worker = Worker()
    async with house() as here, attached(worker.agent, here.address, key=KEY), client(here) as mesh:
        for config in ({"own": False, "deep": {"er": [1]}}, {"own": False, "deep": {"er": [1]}}, {}):
            await mesh.agents.update("worker", config=config)
            await mesh.call("worker", "say", {"text": "hello"})
            assert worker.contexts[-1].config == config


async def test_many_calls_are_in_flight_on_one_stream() -> None:
    """Each gets its own answer."""
    worker = Worker()
    async with house() as here, attached(worker.agent, here.address, key=KEY), client(here) as mesh:
        calls = [mesh.call("worker", "say", {"text": str(number)}) for number in range(300)]
        assert await asyncio.gather(*calls) == [{"result": str(number)} for number in range(300)]


async def test_an_agent_gets_as_many_calls_at_a_time_as_it_asked_for() -> None:
    """The node holds back the others."""
    worker = Worker()
    options = Options(max_calls=3)
    async with house() as here, attached(worker.agent, here.address, key=KEY, options=options), client(here) as mesh:
        most = await asyncio.gather(*[mesh.call("worker", "turn") for _ in range(30)])
        assert len(most) == 30
        assert worker.most <= 3


async def test_a_stream_of_outputs_comes_whole_and_in_order() -> None:
    """However many times its credit."""
    worker = Worker()
    async with house() as here, attached(worker.agent, here.address, key=KEY), client(here) as mesh:
        outputs = [output async for output in mesh.stream("worker", "flood", {"count": 500, "size": 1})]
        assert outputs == [{"result": str(number)} for number in range(500)]


async def test_a_slow_reader_slows_the_agent() -> None:
    """What is ahead of it is bounded, and its slowness is nobody else's."""
    worker = Worker()
    async with house() as here, attached(worker.agent, here.address, key=KEY), client(here) as mesh:
        outputs = mesh.stream("worker", "flood", {"count": 100_000, "size": 10_000})
        async with aclosing(outputs):  # type: ignore[type-var]  # it is a generator
            await anext(outputs)
            seen = -1
            while seen != worker.written:
                seen = worker.written
                await asyncio.gather(*[mesh.call("worker", "say", {"text": "x"}) for _ in range(50)])
            assert worker.written < 2000


async def test_a_conversation_goes_both_ways() -> None:
    """Further than the credit of either side."""
    worker = Worker()

    async def numbers() -> AsyncIterator[object]:
        for number in range(100):
            yield {"item": number}

    async with house() as here, attached(worker.agent, here.address, key=KEY), client(here) as mesh:
        sums = [answer async for answer in mesh.converse("worker", "add", numbers())]
        assert sums[-1] == {"result": sum(range(100))}
        assert len(sums) == 100


async def test_a_client_that_goes_away_cancels_the_agent_at_once() -> None:
    """Within 100 ms."""
    worker = Worker()
    async with house() as here, attached(worker.agent, here.address, key=KEY), client(here) as mesh:
        call = asyncio.ensure_future(mesh.call("worker", "wait"))
        await worker.begun.wait()
        left_at = monotonic()
        call.cancel()
        async with asyncio.timeout(PATIENCE):
            await worker.stopped.wait()
        assert worker.stopped_at - left_at < 0.1
        assert await mesh.call("worker", "say", {"text": "still here"}) == {"result": "still here"}


async def test_a_deadline_is_told_and_ends_the_work() -> None:
    """The agent knows how long its caller waits, and is stopped when that is over."""
    worker = Worker()
    async with house() as here, attached(worker.agent, here.address, key=KEY), client(here) as mesh:
        await mesh.call("worker", "say", {"text": "x"}, timeout=5.0)
        assert 4 < worker.contexts[0].time_left() < 5.1
        failure = await refused(mesh.call("worker", "wait", timeout=0.1))
        assert isinstance(failure, DeadlineExceeded)
        async with asyncio.timeout(PATIENCE):
            await worker.stopped.wait()


async def test_an_agent_calls_another_one_in_the_same_tree() -> None:
    """With the path, the deadline and the token of the call it works on."""
    first, second = Worker("first"), Worker("second")
    async with (
        house() as here,
        attached(first.agent, here.address, key=KEY),
        attached(second.agent, here.address, key=KEY),
        client(here) as mesh,
    ):
        assert await mesh.call("first", "pass_on", {"agent": "second"}, timeout=5.0) == {"result": "from first"}
        [context] = second.contexts
        assert context.path == ("first", "second")
        assert context.time_left() < 5.1
        failure = await refused(mesh.call("first", "pass_on", {"agent": "first"}))
        assert failure.reason == "CALL_LOOP"


async def test_bad_input_names_its_field() -> None:
    """The agent's own words arrive at the caller."""
    worker = Worker()
    async with house() as here, attached(worker.agent, here.address, key=KEY), client(here) as mesh:
        failure = await refused(mesh.call("worker", "say", {"words": "x"}))
        assert isinstance(failure, InvalidInput)
        assert failure.violations[0][0] == "input.text"


async def test_payloads_over_the_limit_fail_their_call_alone() -> None:
    """The agent's output, and an input over what the agent takes."""
    worker, small = Worker(), Worker("small")
    async with (
        house() as here,
        attached(worker.agent, here.address, key=KEY),
        attached(small.agent, here.address, key=KEY, options=Options(payload_limit=100)),
        client(here) as mesh,
    ):
        waiting = asyncio.ensure_future(mesh.call("worker", "wait"))
        outputs = mesh.stream("worker", "flood", {"count": 1, "size": 3 * LIMIT})
        failure = await refused(anext(outputs))
        assert isinstance(failure, PayloadTooLarge)
        assert failure.variables["limit"] == str(LIMIT)
        failure = await refused(mesh.call("small", "say", {"text": "x" * 100}))
        assert (failure.reason, failure.variables["limit"]) == ("PAYLOAD_TOO_LARGE", "100")
        worker.go_on.set()
        assert await waiting == {"result": "done"}
