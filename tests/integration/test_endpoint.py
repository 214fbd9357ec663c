"""Calls to endpoints over real gRPC: all shapes, cancellation, deadlines, failures, and lost processes."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic

import grpc
import pytest

from a2a_node.mesh.endpoint import Endpoints
from a2a_node.mesh.lines import Bounds
from a2a_node.model.agents import AgentCapability, Instance, InstanceKind
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import (
    AgentFailed,
    AgentLost,
    AgentProtocol,
    AgentRefused,
    DeadlineExceeded,
    InvalidInput,
    MeshError,
    NoInstance,
    PayloadTooLarge,
)
from a2a_node.model.payload import TEXT, Payload
from tests.integration.endpoint_agent import EndpointAgent, serving

PATIENCE = 10.0
ROOT = Path(__file__).parents[2]
NO_NETWORK = "127.0.0.1:1"  # nobody listens there


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass
class Asked:
    """A call, and what came of it."""

    replies: list[Payload] = field(default_factory=list)
    replied: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, payload: Payload) -> None:
        """Keep a reply."""
        self.replies.append(payload)
        self.replied.set()

    @property
    def texts(self) -> Sequence[object]:
        """The replies' bodies."""
        return [reply.body for reply in self.replies]


def instance(at: EndpointAgent | str, instance_id: str = "one") -> Instance:
    """A running copy at an address."""
    address = at if isinstance(at, str) else f"127.0.0.1:{at.port}"
    return Instance(instance_id, "a", "here", InstanceKind.ENDPOINT, address)


async def done(_: Call) -> None:
    """Nothing more to do."""


async def stream_of(*payloads: Payload) -> AsyncIterator[Payload]:
    """Inputs that are all there."""
    for payload in payloads:
        yield payload


def call(offered: AgentCapability, asked: Asked, *inputs: str, seconds: float = PATIENCE) -> Call:
    """A call as the outgoing layers hand it over."""
    return Call(
        method="/m",
        rest=done,
        id="the-call",
        agent="a",
        capability=offered.name,
        token="the-token",
        envelope=Envelope(deadline=monotonic() + seconds, allowance=seconds, path=("root", "a")),
        offered=offered,
        requests=stream_of(*(Payload(text, TEXT) for text in inputs)),
        reply=asked.take,
    )


def unary(name: str) -> AgentCapability:
    """A capability with one answer."""
    return AgentCapability(name)


def streaming(name: str) -> AgentCapability:
    """A capability with any number of answers."""
    return AgentCapability(name, streams_output=True)


def conversing(name: str) -> AgentCapability:
    """A capability with any number of inputs and answers."""
    return AgentCapability(name, streams_output=True, streams_input=True)


def everywhere(_: str) -> bool:
    """Every address is served."""
    return True


@asynccontextmanager
async def reaching(
    serves: Callable[[str], bool] = everywhere, **bounds: float
) -> AsyncIterator[tuple[Endpoints, Clock]]:
    """A carrier with a clock of its own."""
    clock = Clock(1000.0)
    async with Endpoints.reaching(serves, replace(Bounds(payload=100_000), **bounds), clock) as endpoints:  # type: ignore[arg-type]
        yield endpoints, clock


async def failed(endpoints: Endpoints, asked: Call, at: Instance) -> MeshError:
    """How a call fails."""
    with pytest.raises(MeshError) as failure:
        async with asyncio.timeout(PATIENCE):
            await endpoints.carry(asked, at)
    return failure.value


async def test_one_input_is_answered_by_one_output() -> None:
    """The agent hears who asks what, in which tree, and how long it may take."""
    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()
        asking = call(unary("say"), asked, "hello")
        asking.idempotency_key = "key"
        await endpoints.carry(asking, instance(agent))
        (answer,) = asked.texts
    assert isinstance(answer, dict)
    assert answer["request"] == {
        "agent": "a",
        "capability": "say",
        "callId": "the-call",
        "idempotencyKey": "key",
        "input": {"text": "hello"},
    }
    heard = {name: value for name, value in answer["metadata"].items() if name.startswith("a2a-")}
    assert heard == {"a2a-call-token": "the-token", "a2a-call-id": "the-call", "a2a-path": "root,a"}
    assert 0 < answer["time_left"] <= PATIENCE


async def test_outputs_are_streamed_in_order() -> None:
    """Each as soon as it is there."""
    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()
        await endpoints.carry(call(streaming("count"), asked, "100"), instance(agent))
    assert asked.texts == [str(number) for number in range(100)]


async def test_a_slow_reader_slows_the_agent() -> None:
    """Who writes without end is held up, so that memory stays bounded."""
    async with serving() as agent, reaching() as (endpoints, _):
        held, asked = asyncio.Event(), Asked()
        asking = call(streaming("flood"), asked)

        async def hold(payload: Payload) -> None:
            await asked.take(payload)
            await held.wait()

        asking.reply = hold
        task = asyncio.create_task(endpoints.carry(asking, instance(agent)))
        async with asyncio.timeout(PATIENCE):
            await agent.held_up.wait()
        assert len(asked.replies) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_conversation_goes_both_ways() -> None:
    """Each input is answered before the next one is said."""
    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()

        async def inputs() -> AsyncIterator[Payload]:
            for number in range(3):
                asked.replied.clear()
                yield Payload(str(number), TEXT)
                await asked.replied.wait()

        asking = call(conversing("echo"), asked)
        asking.requests = inputs()
        async with asyncio.timeout(PATIENCE):
            await endpoints.carry(asking, instance(agent))
    assert asked.texts == ["echo 0", "echo 1", "echo 2"]


async def test_an_agent_may_end_a_conversation_first() -> None:
    """Though its caller still has something to say."""

    async def inputs() -> AsyncIterator[Payload]:
        yield Payload("first", TEXT)
        await asyncio.Event().wait()

    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()
        asking = call(conversing("hang_up"), asked)
        asking.requests = inputs()
        async with asyncio.timeout(PATIENCE):
            await endpoints.carry(asking, instance(agent))
    assert asked.texts == ["hang_up first"]


async def test_an_input_that_is_refused_ends_the_conversation() -> None:
    """With its own error; the agent is cancelled."""

    async def inputs() -> AsyncIterator[Payload]:
        yield Payload("first", TEXT)
        raise InvalidInput("input", "is too much")

    async with serving() as agent, reaching() as (endpoints, _):
        asking = call(conversing("echo"), Asked())
        asking.requests = inputs()
        assert isinstance(await failed(endpoints, asking, instance(agent)), InvalidInput)
        async with asyncio.timeout(PATIENCE):
            await agent.cancelled.wait()


@pytest.mark.parametrize("offered", [unary("wait"), streaming("wait"), conversing("wait")], ids=["one", "many", "both"])
async def test_a_cancelled_call_cancels_the_agent(offered: AgentCapability) -> None:
    """At once, and the call counts no longer."""

    async def inputs() -> AsyncIterator[Payload]:
        yield Payload("first", TEXT)
        await asyncio.Event().wait()

    async with serving() as agent, reaching() as (endpoints, _):
        asked, at = Asked(), instance(agent)
        asking = call(offered, asked)
        asking.requests = inputs()
        task = asyncio.create_task(endpoints.carry(asking, at))
        async with asyncio.timeout(PATIENCE):
            await (asked.replied.wait() if offered.streams_output else agent.begun.wait())
            assert endpoints.in_flight(at) == 1
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await agent.cancelled.wait()
        assert endpoints.in_flight(at) == 0
        assert endpoints.reaches(at)


@pytest.mark.parametrize("offered", [unary("wait"), streaming("wait")], ids=["one", "many"])
async def test_a_deadline_reaches_the_agent(offered: AgentCapability) -> None:
    """The call fails with its own deadline, and the agent is cancelled."""
    async with serving() as agent, reaching() as (endpoints, _):
        error = await failed(endpoints, call(offered, Asked(), seconds=0.3), instance(agent))
        assert isinstance(error, DeadlineExceeded)
        async with asyncio.timeout(PATIENCE):
            await agent.cancelled.wait()


async def test_what_the_agent_names_reaches_the_caller() -> None:
    """Its code, its reason, its message and its fields; nothing of what it did not mean to say."""
    async with serving() as agent, reaching() as (endpoints, _):
        at = instance(agent)
        refused = await failed(endpoints, call(unary("refuse"), Asked()), at)
        assert (refused.code, refused.reason, refused.message) == ("ABORTED", "OUT_OF_STOCK", "no stock")
        misread = await failed(endpoints, call(unary("misread"), Asked()), at)
        assert misread.violations == [("text", "is wrong")]
        crashed = await failed(endpoints, call(unary("crash"), Asked()), at)
        assert isinstance(crashed, AgentFailed)
        assert "hunter2" not in crashed.message
        assert endpoints.reaches(at)


async def test_a_gap_in_a_fresh_stream_breaks_the_protocol() -> None:
    """Outputs are never lost in silence."""
    async with serving() as agent, reaching() as (endpoints, _):
        error = await failed(endpoints, call(streaming("skip"), Asked(), "1"), instance(agent))
        assert isinstance(error, AgentProtocol)


async def test_an_output_over_the_limit_names_both_numbers() -> None:
    """Just over it, and far over what gRPC lets through."""
    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()
        await endpoints.carry(call(unary("swell"), asked, "100000"), instance(agent))
        assert asked.texts == [bytes(100_000)]
        for size in (100_001, 1_000_000):
            error = await failed(endpoints, call(unary("swell"), Asked(), str(size)), instance(agent))
            assert isinstance(error, PayloadTooLarge)
            assert int(error.variables["size"]) >= size
            assert int(error.variables["limit"]) >= 100_000


async def test_an_input_over_the_agents_own_limit_names_both_numbers() -> None:
    """An endpoint may take less than the node."""
    async with serving(limit=1000) as agent, reaching() as (endpoints, _):
        error = await failed(endpoints, call(unary("say"), Asked(), "x" * 2000), instance(agent))
        assert isinstance(error, PayloadTooLarge)
        assert error.variables["limit"] == "1000"


async def test_an_endpoint_on_a_socket_of_the_machine_is_reached(tmp_path: Path) -> None:
    """Its address is a path."""
    address = f"unix:{tmp_path / 'agent.sock'}"
    async with serving(address), reaching() as (endpoints, _):
        asked = Asked()
        await endpoints.carry(call(unary("say"), asked, "hello"), instance(address))
        assert len(asked.replies) == 1


async def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint is reached where it says that it is."""
    for name in ("http_proxy", "https_proxy", "grpc_proxy"):
        monkeypatch.setenv(name, f"http://{NO_NETWORK}")
    async with serving() as agent, reaching() as (endpoints, _):
        asked = Asked()
        await endpoints.carry(call(unary("say"), asked, "hello"), instance(agent))
        assert len(asked.replies) == 1


async def test_an_endpoint_that_is_not_there_is_lost_and_rests() -> None:
    """For a second at first, then longer, ten at most; others are reached meanwhile."""
    async with reaching() as (endpoints, clock):
        at = instance(NO_NETWORK)
        for rest in (1, 2, 4, 8, 10, 10):
            assert endpoints.reaches(at)
            assert isinstance(await failed(endpoints, call(unary("say"), Asked()), at), AgentLost)
            assert not endpoints.reaches(at)
            assert endpoints.reaches(instance("127.0.0.1:2"))
            clock.now += rest - 0.01
            assert not endpoints.reaches(at)
            clock.now += 0.02


async def test_calls_that_are_lost_together_are_one_failure() -> None:
    """The rest does not grow with how busy the agent was."""
    async with reaching() as (endpoints, clock):
        at = instance(NO_NETWORK)
        await asyncio.gather(*(failed(endpoints, call(unary("say"), Asked()), at) for _ in range(20)))
        clock.now += 1.01
        assert endpoints.reaches(at)


@asynccontextmanager
async def process(address: str) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """The agent in a process of its own, and its address."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.integration.endpoint_agent", address, stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    try:
        assert child.stdout is not None
        async with asyncio.timeout(30):
            port = int(await child.stdout.readline())
        yield child, f"127.0.0.1:{port}"
    finally:
        if child.returncode is None:
            child.kill()
        await child.communicate()


async def test_a_killed_process_loses_its_calls_at_once() -> None:
    """All shapes of them; once it is back on its port it is reached again."""

    async def inputs() -> AsyncIterator[Payload]:
        yield Payload("first", TEXT)
        await asyncio.Event().wait()

    async with reaching() as (endpoints, clock):
        async with process("127.0.0.1:0") as (child, address):
            at, many, both = instance(address), Asked(), Asked()
            conversation = call(conversing("echo"), both)
            conversation.requests = inputs()
            calls = (call(unary("wait"), Asked()), call(streaming("wait"), many), conversation)
            lost = [asyncio.create_task(failed(endpoints, one, at)) for one in calls]
            async with asyncio.timeout(PATIENCE):
                await many.replied.wait()
                await both.replied.wait()
                child.kill()
                assert [type(error) for error in await asyncio.gather(*lost)] == [AgentLost] * 3
            assert not endpoints.reaches(at)
        async with process(address):
            clock.now += 1.01
            asked = Asked()
            while not asked.replies:  # gRPC itself waits a moment before it dials again
                try:
                    await endpoints.carry(call(unary("say"), asked), at)
                except AgentLost:
                    clock.now += 10
            assert endpoints.reaches(at)


async def test_lines_are_looked_after() -> None:
    """Somebody asks, again and again, whether an address still serves anybody."""
    looked = asyncio.Event()

    def serves(_: str) -> bool:
        looked.set()
        return False

    async with serving() as agent, reaching(serves, tidy=0.001) as (endpoints, _):
        await endpoints.carry(call(unary("say"), Asked()), instance(agent))
        async with asyncio.timeout(PATIENCE):
            await looked.wait()
        await endpoints.carry(call(unary("say"), Asked()), instance(agent))


async def test_addresses_are_bounded() -> None:
    """Unused ones give way; when all are busy, no further one is within reach."""
    async with serving() as one, serving() as other, serving() as third, reaching(lines=2) as (endpoints, _):
        for agent in (one, other, one, third):
            await endpoints.carry(call(unary("say"), Asked()), instance(agent))
        busy = [
            asyncio.create_task(endpoints.carry(call(unary("wait"), Asked()), instance(agent)))
            for agent in (one, other)
        ]
        async with asyncio.timeout(PATIENCE):
            await one.begun.wait()
            await other.begun.wait()
        assert endpoints.reaches(instance(one))
        assert not endpoints.reaches(instance(third))
        assert isinstance(await failed(endpoints, call(unary("say"), Asked()), instance(third)), NoInstance)
        for task in busy:
            task.cancel()
        await asyncio.wait(busy)
        assert endpoints.reaches(instance(third))


async def test_calls_are_counted_by_instance() -> None:
    """Two copies may share an address."""
    async with serving() as agent, reaching() as (endpoints, _):
        one, other = instance(agent, "one"), instance(agent, "other")
        task = asyncio.create_task(endpoints.carry(call(unary("wait"), Asked()), one))
        async with asyncio.timeout(PATIENCE):
            await agent.begun.wait()
        assert (endpoints.in_flight(one), endpoints.in_flight(other)) == (1, 0)
        task.cancel()
        await asyncio.wait([task])
        assert endpoints.in_flight(one) == 0


async def test_a_method_that_the_process_does_not_serve_is_a_refusal() -> None:
    """With gRPC's own code; the process is not lost."""
    server = grpc.aio.server()
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with reaching() as (endpoints, _):
        error = await failed(endpoints, call(unary("say"), Asked()), instance(f"127.0.0.1:{port}"))
    await server.stop(None)
    assert isinstance(error, AgentRefused)
    assert error.code == "UNIMPLEMENTED"
