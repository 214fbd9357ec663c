"""Agents that dial the node, over real gRPC: what becomes of them when something breaks, ends or makes no sense."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace

import grpc
import pytest

from a2a_node.attach import Options, Place, attach, attached
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.errors import AgentLost, AgentOwned, MeshError, NoInstance, Unauthenticated
from a2a_node.testing import MemoryRegistry, line_to
from a2a_node.wire.errors import DETAILS_KEY, from_status
from a2amesh.v1 import agent_host_service_pb2 as pb
from a2amesh.v1 import agent_pb2
from tests.integration.attach_house import KEY, NODE, OTHER_KEY, RULES, House, client, house
from tests.integration.attach_worker import PATIENCE, Said, Worker, ended, instances, refused

ATTACH = "/a2amesh.v1.AgentHostService/Attach"
BEARER = (("authorization", f"Bearer {KEY}"),)
HELLO = pb.AttachRequest(
    hello=pb.AttachHello(
        agent=agent_pb2.AgentDescriptor(name="raw", capabilities=[agent_pb2.AgentCapability(name="x")])
    )
).SerializeToString()


async def test_an_agent_whose_connection_breaks_loses_its_calls_at_once_and_comes_back() -> None:
    """The same agent, as another instance; the old one leaves the registry."""
    worker = Worker()
    places: asyncio.Queue[Place] = asyncio.Queue()
    async with house() as here, line_to("127.0.0.1", here.port) as line, client(here) as mesh:
        address = f"127.0.0.1:{line.port}"
        serving = asyncio.create_task(attach(worker.agent, address, key=KEY, ready=places.put_nowait))
        first = await places.get()
        call = asyncio.ensure_future(mesh.call("worker", "wait"))
        await worker.begun.wait()
        with Said().listening() as said:
            line.cut_connections()
            assert isinstance(await refused(call), AgentLost)
            async with asyncio.timeout(PATIENCE):
                await worker.stopped.wait()
                second = await places.get()
        assert said.levels() == ["warning", "info"]
        assert await mesh.call("worker", "say", {"text": "again"}) == {"result": "again"}
        assert second.instance_id != first.instance_id
        assert await instances(here, 1) == [second.instance_id]
        await ended(serving)


async def test_an_agent_outlives_its_node() -> None:
    """It dials until a node answers, before the first one and after each; it says so once for each loss."""
    worker = Worker()
    places: asyncio.Queue[Place] = asyncio.Queue()
    async with line_to("127.0.0.1", 1) as line:
        port = line.port
    with Said().listening() as said:
        serving = asyncio.create_task(attach(worker.agent, f"127.0.0.1:{port}", key=KEY, ready=places.put_nowait))
        for loss in (1, 2):
            await said.heard("warning", "dialling again", times=loss)
            async with house(port) as here, client(here) as mesh, asyncio.timeout(PATIENCE):
                await places.get()
                assert await mesh.call("worker", "say", {"text": "x"}) == {"result": "x"}
        await ended(serving)
    assert said.levels()[:4] == ["warning", "info", "warning", "info"]


async def test_an_agent_that_is_told_to_stop_ends_what_it_has() -> None:
    """New calls go elsewhere at once; running ones get their answer."""
    worker = Worker()
    async with house() as here, client(here) as mesh:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(attached(worker.agent, here.address, key=KEY))
            call = asyncio.ensure_future(mesh.call("worker", "wait"))
            await worker.begun.wait()
            leaving = asyncio.ensure_future(stack.pop_all().aclose())
            await instances(here, 0)
        assert isinstance(await refused(mesh.call("worker", "say", {"text": "x"})), NoInstance)
        assert not leaving.done()
        worker.go_on.set()
        assert await call == {"result": "done"}
        async with asyncio.timeout(PATIENCE):
            await leaving


async def test_an_agent_that_is_told_to_stop_does_not_wait_for_ever() -> None:
    """After its grace its calls are lost."""
    worker = Worker()
    async with house() as here, client(here) as mesh:
        async with attached(worker.agent, here.address, key=KEY, options=Options(grace=0.05)):
            call = asyncio.ensure_future(mesh.call("worker", "wait"))
            await worker.begun.wait()
        assert isinstance(await refused(call), AgentLost)
        assert worker.stopped.is_set()


async def test_a_silent_connection_is_lost_on_both_sides() -> None:
    """Nobody says goodbye on a line that is dead."""
    worker = Worker()
    rules, options = replace(RULES, silence=0.1), Options(silence=0.5)
    async with house(rules=rules) as here, line_to("127.0.0.1", here.port) as line, client(here) as mesh:
        address = f"127.0.0.1:{line.port}"
        serving = asyncio.create_task(attach(worker.agent, address, key=KEY, options=options))
        await instances(here, 1)
        call = asyncio.ensure_future(mesh.call("worker", "wait"))
        await worker.begun.wait()
        line.hold()
        assert isinstance(await refused(call), AgentLost)
        async with asyncio.timeout(PATIENCE):
            await worker.stopped.wait()
        line.end()
        await ended(serving)


async def test_what_dialling_again_cannot_mend_is_raised() -> None:
    """A name that belongs to another owner, a key that is not valid, a bad option."""
    worker, other = Worker(), Worker()
    async with house() as here, attached(worker.agent, here.address, key=KEY):
        assert isinstance(await refused(attach(other.agent, here.address, key=OTHER_KEY)), AgentOwned)
        assert isinstance(await refused(attach(other.agent, here.address, key="wrong")), Unauthenticated)
        failure = await refused(attach(other.agent, here.address, key=KEY, options=Options(max_calls=10**6)))
        assert failure.variables["field"] == "hello.max_calls"
        assert await refused_block(other, here) == "AGENT_OWNED"


async def test_an_agent_waits_for_a_registry_that_is_away() -> None:
    """And is attached once it is back."""
    worker, registry = Worker(), MemoryRegistry()
    places: asyncio.Queue[Place] = asyncio.Queue()
    async with house(registry=registry) as here, client(here) as mesh:
        registry.lose()
        with Said().listening() as said:
            serving = asyncio.create_task(attach(worker.agent, here.address, key=KEY, ready=places.put_nowait))
            await said.heard("warning", "postgres is away")
        registry.recover()
        async with asyncio.timeout(PATIENCE):
            await places.get()
        assert await mesh.call("worker", "say", {"text": "x"}) == {"result": "x"}
        await ended(serving)


async def test_what_is_attached_can_be_registered_again() -> None:
    """After the registry has taken the node for gone."""
    worker, registry = Worker(), MemoryRegistry()
    async with house(registry=registry) as here, attached(worker.agent, here.address, key=KEY) as place:
        await registry.leave(place.node_id)
        await registry.join((await registry.snapshot()).nodes[0], 60)
        assert not (await registry.snapshot()).instances
        await here.attached.reannounce()
        assert [instance.id for instance in (await registry.snapshot()).instances] == [place.instance_id]


async def test_an_agent_whose_name_is_taken_while_the_node_was_gone_is_told() -> None:
    """It does not come back: the name belongs to another owner now."""
    worker, registry = Worker(), MemoryRegistry()
    async with house(rules=replace(RULES, silence=0.1), registry=registry) as here:
        places: asyncio.Queue[Place] = asyncio.Queue()
        serving = asyncio.create_task(attach(worker.agent, here.address, key=KEY, ready=places.put_nowait))
        place = await places.get()
        await registry.remove_agent("worker")
        thief = Instance("00000000-0000-4000-8000-000000000001", "worker", NODE, InstanceKind.ENDPOINT, "127.0.0.1:1")
        await registry.register(worker.agent.descriptor, "person:eve", thief, 60)
        await here.attached.reannounce()
        assert isinstance(await refused(serving), AgentOwned)
        assert await instances(here, 1) == [thief.id]
        assert place.instance_id != thief.id


async def test_a_node_that_drains_takes_no_more_agents_and_keeps_those_it_has() -> None:
    """Calls under way may still call them."""
    worker, late = Worker(), Worker("late")
    async with house() as here, attached(worker.agent, here.address, key=KEY), client(here) as mesh:
        here.attached.drain()
        with Said().listening() as said:
            serving = asyncio.create_task(attach(late.agent, here.address, key=KEY))
            await said.heard("warning", "no new work")
        assert await mesh.call("worker", "say", {"text": "x"}) == {"result": "x"}
        await ended(serving)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ([b"\xff\xff\xff"], "frame"),
        ([pb.AttachRequest(pong=1).SerializeToString()], "hello"),
        ([pb.AttachRequest(hello=pb.AttachHello()).SerializeToString()], "agent.name"),
        ([HELLO, b"\xff\xff\xff"], "frame"),
        ([HELLO, HELLO], "hello"),
        ([HELLO, b""], "frame"),
        ([], "hello"),
    ],
    ids=["garbage", "no hello", "nobody", "garbage later", "two hellos", "an empty frame", "nothing"],
)
async def test_garbage_on_the_stream_is_refused_by_field(said: list[bytes], field: str) -> None:
    """The stream ends with INVALID_ARGUMENT, and nothing of the agent is left."""

    async def frames() -> AsyncIterator[bytes]:
        for frame in said:
            yield frame
        if said:
            await asyncio.Event().wait()

    async with house() as here, grpc.aio.insecure_channel(here.address) as channel:
        dial: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = channel.stream_stream(ATTACH)
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            _ = [answer async for answer in dial(frames(), metadata=BEARER, timeout=PATIENCE)]
        assert failure.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        details = dict(failure.value.trailing_metadata() or ())[DETAILS_KEY]
        error = from_status("INVALID_ARGUMENT", "", details if isinstance(details, bytes) else None)
        assert error.violations[0][0] == field
        await instances(here, 0)


async def refused_block(worker: Worker, here: House) -> str:
    """The reason why a block does not begin."""
    with pytest.raises(MeshError) as failure:
        async with attached(worker.agent, here.address, key=OTHER_KEY):
            pytest.fail("the block began")
    return failure.value.reason
