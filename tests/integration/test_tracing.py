"""Traces of whole calls, exported to a real OTLP receiver."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from time import monotonic
from typing import Protocol

import grpc
import pytest
from opentelemetry import baggage
from opentelemetry.context import attach, detach

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import AgentFailed, MeshError, SettingInvalid, Unauthenticated
from a2a_node.model.trace import Trace, received
from a2a_node.node import Node
from a2a_node.tracing.context import carried, entered
from tests.integration import traced_agents
from tests.integration.conftest import Running
from tests.integration.peer_agents import known
from tests.integration.people import Meet, meet
from tests.integration.receiver import OVER, Receiver, over_grpc

__all__ = ["meet"]

FRONT = "tests.integration.traced_agents:agent,tests.integration.traced_agents:back"
SERVER, WORK = "a2amesh.v1.AgentService/Invoke", "work front/"
ROOT = Trace(0xABCDEF << 96, 0x1234, sampled=True, state="shop=7")


class Traced(Protocol):
    """Runs a node that traces."""

    def __call__(self, **settings: object) -> AbstractAsyncContextManager[tuple[Node, MeshClient]]:
        """Run it until the block ends."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver over gRPC."""
    with over_grpc() as receiver:
        yield receiver


@pytest.fixture
def traced(running_node: Running, receiver: Receiver) -> Traced:
    """Run a node that exports there; once the block has ended, everything was."""

    @asynccontextmanager
    async def run(**settings: object) -> AsyncIterator[tuple[Node, MeshClient]]:
        async with running_node(agent=FRONT, trace_endpoint=receiver.address, **settings) as pair:
            yield pair

    return run


@asynccontextmanager
async def inside(trace: Trace) -> AsyncIterator[None]:
    """Let a block run in a trace of the caller's own."""
    before = entered(trace)
    try:
        yield
    finally:
        detach(before)


@pytest.mark.parametrize("protocol", ["grpc", "http"])
async def test_a_call_is_a_tree_below_its_callers_span(running_node: Running, protocol: str) -> None:
    """The RPC, the agent's work, and the call that it makes there, over either protocol, with the node's own name."""
    with OVER[protocol]() as receiver:
        settings = {"trace_protocol": protocol, "trace_headers": "X-Key=a%20b,tenant=7", "region": "eu", "zone": "a"}
        async with (
            running_node(agent=FRONT, trace_endpoint=receiver.address, node_id="n1", **settings) as (_, mesh),
            inside(ROOT),
        ):
            assert await mesh.call("front", "ask", {"others": ["back"], "text": "x"}) == {"result": "x"}
    ids = {span.span_id for span in receiver.spans}
    (outer,) = [span for span in receiver.spans if span.parent_id not in ids]
    assert (outer.name, outer.kind, outer.code) == (SERVER, "SERVER", "UNSET")
    (work,) = receiver.below(outer)
    assert (work.name, work.kind, work.attributes["a2a.instance.kind"]) == ("work front/ask", "INTERNAL", "hosted")
    (inner,) = receiver.below(work)
    assert (inner.name, [span.name for span in receiver.below(inner)]) == (SERVER, ["work back/ask"])
    assert {span.trace_id for span in receiver.spans} == {ROOT.trace_id}
    assert {span.state for span in receiver.spans} == {"shop=7"}
    about = {"rpc.system": "grpc", "rpc.service": "a2amesh.v1.AgentService", "rpc.method": "Invoke"}
    assert about.items() <= outer.attributes.items()
    assert outer.attributes["rpc.grpc.status_code"] == 0
    resource = {"service.name": "a2a-node", "service.instance.id": "n1", "cloud.region": "eu"}
    assert resource.items() <= outer.resource.items()
    assert {"x-key": "a b", "tenant": "7"}.items() <= receiver.headers.items()


async def test_a_refused_call_has_a_span_with_the_reason(traced: Traced, receiver: Receiver) -> None:
    """Although nobody knows who called."""
    async with traced() as (node, _), inside(ROOT), MeshClient(node.grpc_address, "a2a_no_such_key") as stranger:
        with pytest.raises(Unauthenticated):
            await stranger.call("front", "ask", {"others": [], "text": "x"})
    refused = receiver.one(SERVER)
    assert (refused.trace_id, refused.attributes["a2a.reason"]) == (ROOT.trace_id, "UNAUTHENTICATED")
    assert refused.attributes["rpc.grpc.status_code"] == 16
    assert refused.code == "UNSET"  # the caller's fault, and none of the node's


async def test_an_agent_that_fails_is_told_from_one_that_refuses(traced: Traced, receiver: Receiver) -> None:
    """Its own span fails in both cases, the node's only where somebody has to look after it."""
    async with traced() as (_, mesh):
        with pytest.raises(MeshError, match="hush"):
            await mesh.call("front", "refuse", {"why": "hush"})
        with pytest.raises(AgentFailed):
            await mesh.call("front", "fail", {"why": "hush"})
    refused, failed = receiver.one("work front/refuse"), receiver.one("work front/fail")
    assert (refused.code, refused.description) == ("ERROR", "NOT_TODAY")
    assert (failed.code, failed.attributes["a2a.reason"]) == ("ERROR", "AGENT_FAILED")
    assert sorted(span.code for span in receiver.spans if span.name == SERVER) == ["ERROR", "UNSET"]


async def test_a_cancelled_call_ends_its_spans(traced: Traced, receiver: Receiver) -> None:
    """At once, and not when the node stops."""
    async with traced() as (_, mesh):
        traced_agents.begun.clear()
        asking = asyncio.create_task(mesh.call("front", "wait"))
        await traced_agents.begun.wait()
        asking.cancel()
        await receiver.until(lambda spans: {SERVER, "work front/wait"} <= {span.name for span in spans})
    for name in (SERVER, "work front/wait"):
        cancelled = receiver.one(name)
        assert (cancelled.attributes["a2a.reason"], cancelled.code) == ("CALL_CANCELLED", "UNSET")


async def test_a_stream_that_nobody_reads_to_the_end_ends_its_spans(traced: Traced, receiver: Receiver) -> None:
    """Whoever closes it early has had enough."""
    async with traced() as (_, mesh):
        numbers = mesh.stream("front", "count", {"numbers": 1_000_000})
        assert await anext(numbers) == {"result": 0}
        assert isinstance(numbers, AsyncGenerator)
        await numbers.aclose()
        await receiver.until(lambda spans: any(span.name == "work front/count" for span in spans))
        await receiver.until(lambda spans: any(span.name.endswith("InvokeStream") for span in spans))
    assert receiver.one("work front/count").attributes["a2a.reason"] == "CALL_CANCELLED"


async def test_what_a_call_asks_of_the_stores_is_below_it(traced: Traced, receiver: Receiver) -> None:
    """Redis for a kept answer, Postgres for grants; what the node asks by itself makes no traces."""
    async with traced() as (_, mesh):
        await mesh.call("front", "kept", {"text": "x"})
        await mesh.grants.give("person:ann", "agent:front:invoke")
    spans = {span.span_id: span for span in receiver.spans}
    asked = {(spans[span.parent_id].name, span.store) for span in spans.values() if span.store}
    assert asked >= {(SERVER, "redis"), ("a2amesh.v1.AccessService/Grant", "postgresql")}
    assert {span.name for span in spans.values() if span.parent_id not in spans} == {name for name, _ in asked}


async def test_neither_secrets_nor_payloads_are_recorded(traced: Traced, receiver: Receiver) -> None:
    """Whatever goes well or wrong, and whichever store is asked."""
    async with traced(trace_headers="authorization=hush-header") as (_, mesh):
        before = attach(baggage.set_baggage("tenant", "hush-baggage"))
        await mesh.call("front", "kept", {"text": "hush-input"})
        for name in ("refuse", "fail"):
            with pytest.raises(MeshError):
                await mesh.call("front", name, {"why": "hush-error"})
        await mesh.cache.set("hush-key", "hush-value")
        session = await mesh.sessions.create({"hush": "hush-data"}, user_id="hush-user")
        await mesh.sessions.get(session.id)
        await mesh.grants.ask("agent:front:invoke", "hush-words")
        detach(before)
    assert len(receiver.spans) > 10
    written = "\n".join(f"{span.raw}{span.resource}" for span in receiver.spans)
    assert "hush" not in written
    assert session.id not in written


async def test_what_is_not_kept_is_passed_on_as_such(traced: Traced, receiver: Receiver) -> None:
    """The agent that is called learns the trace and its baggage, and that nobody keeps it; so does whom it calls."""
    listener, heard = listening()
    unkept = Trace(5, 6, sampled=False)
    async with (
        traced() as (node, mesh),
        attached(listener, node.grpc_address, key=node.key_file.read_text().strip()),
        inside(unkept),
    ):
        before = attach(baggage.set_baggage("tenant", "blue one"))
        await mesh.call("front", "ask", {"others": ["listener"], "text": "x"})
        detach(before)
    assert heard == [(unkept.trace_id, False, "", "tenant=blue+one")]
    assert not [span for span in receiver.spans if span.trace_id == unkept.trace_id]


async def test_the_sampler_keeps_its_share_and_follows_the_caller(traced: Traced, receiver: Receiver) -> None:
    """With a share of nothing only those are kept whose caller keeps them."""
    async with traced(trace_sampler=0.0) as (node, mesh):
        async with grpc.aio.insecure_channel(node.grpc_address) as untraced:
            ask: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = untraced.unary_unary(
                "/a2amesh.v1.AgentService/GetCall"
            )
            assert await ask(b"").code() is grpc.StatusCode.UNAUTHENTICATED
        async with inside(ROOT):
            await mesh.call("echo", "say", {"text": "x"})
    assert {span.trace_id for span in receiver.spans} == {ROOT.trace_id}


async def test_a_node_that_does_not_trace_passes_the_context_on(running_node: Running) -> None:
    """From the client through a hosted agent to an attached one."""
    listener, heard = listening()
    async with (
        running_node(agent=FRONT) as (node, mesh),
        attached(listener, node.grpc_address, key=node.key_file.read_text().strip()),
        inside(ROOT),
    ):
        await mesh.call("front", "ask", {"others": ["listener"], "text": "x"})
        await mesh.call("listener", "ask", {"others": [], "text": "x"})
    assert heard == [(ROOT.trace_id, True, "shop=7", "")] * 2


async def test_a_trace_goes_on_at_another_node(meet: Meet, receiver: Receiver) -> None:
    """The one where the call enters calls the other, which hosts the agent and names its own part."""
    near = {"trace_endpoint": receiver.address, "echo": False}
    far = {"trace_endpoint": receiver.address, "agent": FRONT, "echo": False}
    async with meet("near", **near) as one, meet("far", **far), inside(ROOT):
        await known(one, "front")
        await one.dev.call("front", "ask", {"others": [], "text": "x"})
    called = receiver.one("call front/ask")
    assert (called.kind, called.resource["service.instance.id"], called.attributes["a2a.node"]) == (
        "CLIENT",
        "near",
        "far",
    )
    (arrived,) = receiver.below(called)
    assert (arrived.name, arrived.kind, arrived.resource["service.instance.id"]) == (SERVER, "SERVER", "far")
    assert [span.name for span in receiver.below(arrived)] == ["work front/ask"]
    assert {span.trace_id for span in (called, arrived)} == {ROOT.trace_id}


async def test_a_receiver_that_is_away_hurts_nobody(running_node: Running) -> None:
    """Calls go on, the spans are counted as failed, and the node still ends in a few seconds."""
    async with running_node(trace_endpoint="http://127.0.0.1:1") as (node, mesh):
        for _ in range(10):
            await mesh.call("echo", "say", {"text": "x"})
        ended = monotonic()
    assert node.id
    assert monotonic() - ended < 15


@pytest.mark.parametrize(
    "settings",
    [
        {"trace_endpoint": "nowhere"},
        {"trace_endpoint": "http://ann:hush@127.0.0.1:4317"},
        {"trace_endpoint": "ftp://127.0.0.1"},
        {"trace_endpoint": "http://127.0.0.1:x"},
        {"trace_headers": "hush"},
    ],
)
async def test_settings_that_cannot_be_meant_stop_the_start(running_node: Running, settings: dict[str, str]) -> None:
    """Without quoting what may be a secret."""
    with pytest.raises(SettingInvalid) as refused:
        async with running_node(**settings):
            pass
    assert "hush" not in refused.value.message


Heard = tuple[int, bool, str, str]


def listening() -> tuple[Agent, list[Heard]]:
    """An agent named `listener`, and what its own calls would carry on: trace, whether kept, state and baggage."""
    heard: list[Heard] = []
    agent = Agent("listener")

    @agent.capability
    async def ask(others: list[str], text: str, context: Context) -> str:
        del others, context
        said = dict(carried())
        trace = received(said)
        assert trace is not None
        heard.append((trace.trace_id, trace.sampled, trace.state, said.get("baggage", "")))
        return text

    return agent, heard
