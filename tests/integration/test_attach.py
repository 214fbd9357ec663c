"""Agents that dial the node, over real gRPC: calls both ways, and what becomes of them when something breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import replace
from time import monotonic
from typing import Self

import grpc
import pytest
from structlog.testing import capture_logs
from structlog.typing import EventDict

from a2a_node.agent import Agent, Context
from a2a_node.attach import Options, Place, attach, attached
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.errors import (
    AgentLost,
    AgentOwned,
    DeadlineExceeded,
    InvalidInput,
    MeshError,
    NoInstance,
    PayloadTooLarge,
    Unauthenticated,
)
from a2a_node.testing import MemoryRegistry, line_to
from a2a_node.wire.errors import DETAILS_KEY, from_status
from a2amesh.v1 import agent_host_service_pb2 as pb
from a2amesh.v1 import agent_pb2
from tests.integration.attach_house import KEY, LIMIT, NODE, OTHER_KEY, RULES, House, client, house

PATIENCE = 10.0
ATTACH = "/a2amesh.v1.AgentHostService/Attach"
BEARER = (("authorization", f"Bearer {KEY}"),)
HELLO = pb.AttachRequest(
    hello=pb.AttachHello(
        agent=agent_pb2.AgentDescriptor(name="raw", capabilities=[agent_pb2.AgentCapability(name="x")])
    )
).SerializeToString()


class Worker:
    """An agent, and what it notices."""

    def __init__(self, name: str = "worker") -> None:
        self.agent = Agent(name, config={"own": True})
        self.begun, self.stopped, self.go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.stopped_at = 0.0
        self.written = 0
        self.together, self.most = 0, 0
        self.contexts: list[Context] = []
        for capability in (self.say, self.wait, self.flood, self.add, self.pass_on, self.turn):
            self.agent.capability(capability)

    async def say(self, text: str, context: Context) -> str:
        """Answer with the text."""
        self.contexts.append(context)
        return text

    async def wait(self) -> str:
        """Wait until told to go on."""
        self.begun.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.stopped_at = monotonic()
            self.stopped.set()
            raise
        return "done"

    async def turn(self) -> int:
        """How many work at the same time."""
        self.together += 1
        self.most = max(self.most, self.together)
        await asyncio.sleep(0)
        self.together -= 1
        return self.most

    async def flood(self, count: int, size: int = 10) -> AsyncIterator[str]:
        """So many answers."""
        for number in range(count):
            self.written = number + 1
            yield str(number).rjust(size)

    async def add(self, numbers: AsyncIterator[int]) -> AsyncIterator[int]:
        """Every sum so far."""
        total = 0
        async for number in numbers:
            total += number
            yield total

    async def pass_on(self, agent: str, context: Context) -> object:
        """Ask another agent."""
        return await context.call(agent, "say", {"text": "from " + context.agent})


class Said:
    """What is logged while a block runs."""

    def __init__(self) -> None:
        self.entries: list[EventDict] = []
        self._news = asyncio.Event()

    def note(self, _: object, level: str, entry: EventDict) -> EventDict:
        """Take in what is logged."""
        self.entries.append({**entry, "level": level})
        self._news.set()
        return entry

    async def heard(self, level: str, word: str = "", times: int = 1) -> None:
        """Wait until something was logged that has the word in it, so many times."""
        async with asyncio.timeout(PATIENCE):
            while sum(entry["level"] == level and word in str(entry) for entry in self.entries) < times:
                self._news.clear()
                await self._news.wait()

    @contextmanager
    def listening(self) -> Iterator[Self]:
        """Listen until the block ends."""
        with capture_logs(processors=[self.note]):
            yield self

    def levels(self) -> list[str]:
        """How serious it was."""
        return [entry["level"] for entry in self.entries]


async def instances(here: House, expected: int) -> list[str]:
    """Wait until the directory knows that many instances of the worker; their ids."""
    async with asyncio.timeout(PATIENCE):
        while True:
            known = [one.id for agent in here.directory.agents() for one in agent.instances if one.agent == "worker"]
            if len(known) == expected:
                return known
            await here.directory.changed()


async def refused(work: Awaitable[object]) -> MeshError:
    """The failure of something that must fail."""
    with pytest.raises(MeshError) as failure:
        async with asyncio.timeout(PATIENCE):
            await work
    return failure.value


async def test_an_agent_can_be_called_from_the_moment_it_is_attached() -> None:
    """It is registered under its own name, as an instance of this node."""
    worker = Worker()
    async with house() as here, attached(worker.agent, here.address, key=KEY) as place, client(here) as mesh:
        assert await mesh.call("worker", "say", {"text": "hello"}) == {"result": "hello"}
        entry = here.directory.find("worker")
        assert [(instance.id, instance.node) for instance in entry.instances] == [(place.instance_id, place.node_id)]
        assert entry.agent.owner == "person:dev"
        assert worker.contexts[0].config == {"own": True}


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


async def ended(serving: asyncio.Task[None]) -> None:
    """Tell an agent to stop and wait until it has."""
    serving.cancel()
    async with asyncio.timeout(PATIENCE):
        await asyncio.wait([serving])


async def refused_block(worker: Worker, here: House) -> str:
    """The reason why a block does not begin."""
    with pytest.raises(MeshError) as failure:
        async with attached(worker.agent, here.address, key=OTHER_KEY):
            pytest.fail("the block began")
    return failure.value.reason
