"""Which stops a freeze reports: those that agents have confirmed, over real gRPC and real stores, on two nodes."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from time import monotonic

import grpc
import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client.freezes import FreezeState, NodeProgress
from a2a_node.core.server import Door, Routes, Stream, Unary, serving
from a2a_node.endpoint import endpoint
from a2a_node.mesh.background import background
from a2a_node.model.errors import Frozen, MeshError
from a2a_node.model.freezes import Unconfirmed
from a2a_node.wire.agents import from_descriptor
from a2amesh.v1 import agent_host_service_pb2 as pb
from tests.integration.store.lines import lined
from tests.integration.stream_house import Here, Mesh, mesh_of_two, node_of

TAKES_ITS_TIME = 1.0
Serve = Callable[[Agent, Here], AbstractAsyncContextManager[object]]


@pytest.fixture
async def mesh(data_dir: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Mesh]:
    """Two nodes."""
    async with asyncio.timeout(60), mesh_of_two(data_dir, (postgres_url, redis_url), lease=15) as opened:
        yield opened


def by_stream(agent: Agent, here: Here) -> AbstractAsyncContextManager[object]:
    """The agent, attached to a node."""
    return attached(agent, here.node.grpc_address, key=here.key)


def by_address(agent: Agent, here: Here) -> AbstractAsyncContextManager[object]:
    """The agent, at an address of its own."""
    return endpoint(agent, here.mesh)


class Worker:
    """An agent that stops in every way but at once, and when it did."""

    def __init__(self) -> None:
        self.begun, self.released = asyncio.Event(), asyncio.Event()
        self.let_go = threading.Event()
        self.ended_at = 0.0

    def agent(self) -> Agent:
        """The agent."""
        agent, loop = Agent("worker"), asyncio.get_running_loop()

        @agent.capability
        async def slow() -> None:
            await self._work_until_told()
            await asyncio.sleep(TAKES_ITS_TIME)
            self.ended_at = monotonic()

        @agent.capability
        async def stubborn() -> None:
            await self._work_until_told()
            await self.released.wait()

        @agent.capability
        def threaded() -> None:
            loop.call_soon_threadsafe(self.begun.set)
            self.let_go.wait(30)

        return agent

    async def _work_until_told(self) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return


@asynccontextmanager
async def at_work(mesh: Mesh, worker: Worker, capability: str) -> AsyncIterator[asyncio.Task[object]]:
    """A call under way, from the node that does not have the agent."""
    async with asyncio.timeout(15):
        while True:
            call = asyncio.ensure_future(mesh.there.mesh.call("worker", capability))
            begun = asyncio.ensure_future(worker.begun.wait())
            await asyncio.wait((call, begun), return_when=asyncio.FIRST_COMPLETED)
            begun.cancel()
            if not call.done():
                break
            assert isinstance(call.exception(), MeshError)  # that node has not heard of the agent yet
    yield call
    with pytest.raises(Frozen):
        await call


def confirmed(frozen: FreezeState) -> dict[str, tuple[int, int]]:
    """The stopped and the stopping, by node; all nodes refuse."""
    assert all(node.enforced for node in frozen.nodes)
    return {node.node: (node.stopped, node.stopping) for node in frozen.nodes}


async def known(place: Here, node_id: str) -> None:
    """Wait until a node knows another one."""
    while node_id not in [one.node.id async for one in place.mesh.nodes.list()]:  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0.02)


async def until(mesh: Mesh, fits: Callable[[NodeProgress], bool]) -> NodeProgress:
    """Wait until the agent's node says so of the freeze that holds; what it says."""
    async with asyncio.timeout(15):
        while True:
            [frozen] = [one async for one in mesh.there.mesh.freezes.list()]
            [said] = [node for node in frozen.nodes if node.node == mesh.here.node.id]
            if fits(said):
                return said
            await asyncio.sleep(0.05)


async def test_a_node_that_is_cut_off_is_not_said_to_refuse(data_dir: Path, postgres_url: str, redis_url: str) -> None:
    """It takes calls, for it has not heard; once its Postgres answers again it refuses, and has confirmed that."""
    await asyncio.to_thread(data_dir.mkdir)
    async with (
        asyncio.timeout(60),
        lined(postgres_url) as (through, line),
        node_of(data_dir / "here", (postgres_url, redis_url), lease=15) as here,
        node_of(data_dir / "there", (through, redis_url), lease=15) as there,
    ):
        await known(here, there.node.id)
        line.hold()
        frozen = await here.mesh.freezes.freeze("agent:echo", "enough", wait=0.3)
        assert {node.node: node.enforced for node in frozen.nodes} == {here.node.id: True, there.node.id: False}
        assert await there.mesh.call("echo", "say", {"text": "x"}) == {"text": "x"}
        await line.restore()
        while not all([node.enforced async for one in here.mesh.freezes.list() for node in one.nodes]):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        with pytest.raises(Frozen):
            await there.mesh.call("echo", "say", {"text": "x"})


@pytest.mark.parametrize("serve", [by_stream, by_address])
async def test_an_agent_that_takes_its_time_is_reported_afterwards(mesh: Mesh, serve: Serve) -> None:
    """At the node where it works; the freeze waits for it, and no longer than it takes."""
    worker = Worker()
    async with serve(worker.agent(), mesh.here), at_work(mesh, worker, "slow"):
        frozen = await mesh.there.mesh.freezes.freeze("agent:worker", "enough", wait=20)
        assert monotonic() >= worker.ended_at > 0
        assert confirmed(frozen) == {mesh.here.node.id: (1, 0), mesh.there.node.id: (0, 0)}


@pytest.mark.parametrize("serve", [by_stream, by_address])
@pytest.mark.parametrize("capability", ["stubborn", "threaded"])
async def test_an_agent_that_works_on_is_named_until_it_has_stopped(mesh: Mesh, serve: Serve, capability: str) -> None:
    """Whoever asks sees it, also from the other node; so long nobody claims that it has stopped."""
    worker = Worker()
    async with serve(worker.agent(), mesh.here), at_work(mesh, worker, capability):
        await mesh.there.mesh.freezes.freeze("agent:worker", "enough", wait=0.5)
        works = await until(mesh, lambda node: (node.stopped, node.stopping) == (0, 1))
        [instance] = (await mesh.here.mesh.agents.get("worker")).instances
        assert works.unconfirmed == [Unconfirmed(works.unconfirmed[0].call, "worker", instance.id)]
        worker.released.set()
        worker.let_go.set()
        await until(mesh, lambda node: (node.stopped, node.stopping) == (1, 0))


async def test_an_agent_whose_stream_breaks_is_never_said_to_have_stopped(mesh: Mesh) -> None:
    """Its process may work on: somebody has to look."""
    worker = Worker()
    channel = grpc.aio.insecure_channel(mesh.here.node.grpc_address)
    attach: grpc.aio.StreamStreamMultiCallable[pb.AttachRequest, pb.AttachResponse] = channel.stream_stream(
        "/a2amesh.v1.AgentHostService/Attach", pb.AttachRequest.SerializeToString, pb.AttachResponse.FromString
    )
    stream = attach(metadata=(("authorization", f"Bearer {mesh.here.key}"),))
    descriptor = from_descriptor(worker.agent().descriptor)
    await stream.write(pb.AttachRequest(hello=pb.AttachHello(agent=descriptor)))

    async def listen() -> None:
        async for frame in stream:
            if frame.HasField("start"):
                worker.begun.set()

    async with background(listen), at_work(mesh, worker, "slow"):
        await mesh.there.mesh.freezes.freeze("agent:worker", "enough", wait=0)
        await until(mesh, lambda node: [call.lost for call in node.unconfirmed] == [False])
        stream.cancel()
        await until(mesh, lambda node: (node.stopped, [call.lost for call in node.unconfirmed]) == (0, [True]))
    await channel.close()


async def test_an_endpoint_that_cannot_say_so_is_never_said_to_have_stopped(mesh: Mesh) -> None:
    """It answers UNIMPLEMENTED to CancelCall, as those do that know of no such thing."""
    begun = asyncio.Event()

    async def invoke(_: object, __: bytes) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def unserved(rpc: object) -> None:
        rpc.end(grpc.StatusCode.UNIMPLEMENTED.value[0], "what is that?")  # type: ignore[attr-defined]

    worker = Worker()
    worker.begun = begun
    routes = Routes({"/a2amesh.v1.AgentService/Invoke": Unary(invoke)}, Stream(unserved))
    async with serving([Door("127.0.0.1:0")], routes) as (port,):
        await mesh.here.mesh.agents.register(worker.agent().descriptor, f"127.0.0.1:{port}", 60)
        async with at_work(mesh, worker, "slow"):
            await mesh.there.mesh.freezes.freeze("agent:worker", "enough", wait=0)
            await until(mesh, lambda node: (node.stopped, [call.lost for call in node.unconfirmed]) == (0, [True]))
