"""Calls to an agent's own gRPC service through a node, with what generated code gives: nothing of it is changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2

from a2a_node.core.rpc import Rpc
from a2a_node.core.server import Door, Routes, Stream
from a2a_node.core.server import serving as core_serving
from a2a_node.model.errors import (
    AgentLost,
    AgentNotEndpoint,
    AgentNotFound,
    CallCancelled,
    DeadlineExceeded,
    InvalidInput,
    MeshError,
    PayloadTooLarge,
    RpcNotServed,
    Unauthenticated,
)
from tests.integration.orders_agent import DETAILS, SERVICE, count_of, item_of, order
from tests.integration.orders_house import ORDERS, PATIENCE, failed, named, naming, orders_at, stub_of
from tests.integration.people import Meet, meet

__all__ = ["meet"]
Raw = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]
Reflects = grpc.aio.StreamStreamMultiCallable[
    reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
]


async def orders(*items: str) -> AsyncIterator[Message]:
    """Messages of a client's stream."""
    for item in items:
        yield order(item)


async def test_all_four_shapes_pass(meet: Meet) -> None:
    """One or many messages there, one or many back."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        with_key = naming(one.dev_key)
        assert item_of(await stub.place(order("tea"), metadata=with_key)) == "tea"
        several = [count_of(each) async for each in stub.watch(order("tea", 100), metadata=with_key)]
        assert several == list(range(100))
        counted = await stub.upload(orders(*["tea"] * 100), metadata=with_key)
        assert count_of(counted) == 100
        talk = stub.talk(metadata=with_key)
        for item in ("tea", "milk"):
            await talk.write(order(item))
            assert item_of(await talk.read()) == item
        await talk.done_writing()
        assert await talk.read() is grpc.aio.EOF
        assert await talk.code() is grpc.StatusCode.OK
        assert agent.calls == 4


async def test_an_agent_may_end_a_conversation_first(meet: Meet) -> None:
    """Though its client has more to say."""
    async with meet() as one, orders_at(one), stub_of(one) as stub:
        talk = stub.talk(metadata=naming(one.dev_key))
        await talk.write(order("bye"))
        assert item_of(await talk.read()) == "bye"
        assert await talk.read() is grpc.aio.EOF
        assert await talk.code() is grpc.StatusCode.OK


async def test_metadata_passes_both_ways_but_for_what_concerns_one_hop(meet: Meet) -> None:
    """In its order, names that come twice and bytes included; neither keys nor the mesh's own entries."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        said = (
            ("tenant", "a"),
            ("tenant", "b"),
            ("blob-bin", b"\xff\0"),
            ("a2a-budget", "calls=9"),
        )
        traced = (("traceparent", f"00-{7:032x}-{8:016x}-01"), ("baggage", "c=d"))
        call = stub.place(order("said"), metadata=(*naming(one.dev_key), *said, *traced))
        first = [(name, value) for name, value in await call.initial_metadata() or ()]
        await call
        last = [(name, value) for name, value in await call.trailing_metadata() or ()]
    assert [entry for entry in agent.heard if entry[0] in ("tenant", "blob-bin")] == list(said[:3])
    ours = {name: value for name, value in agent.heard if name.startswith("a2a-")}
    assert set(ours) == {"a2a-call-token", "a2a-call-id", "a2a-path"}
    assert ours["a2a-path"] == "orders"
    heard = dict(agent.heard)
    assert str(heard["traceparent"]).startswith(f"00-{7:032x}-")
    assert heard["baggage"] == "c=d"
    assert "authorization" not in heard
    assert one.dev_key not in str(agent.heard)
    assert first == [("a2a-call-id", ours["a2a-call-id"]), ("first", "1"), ("first", "2"), ("first-bin", b"\0\xff")]
    assert last == [("last", "3"), ("last-bin", b"\xfe\0")]


async def test_the_first_metadata_comes_before_any_message(meet: Meet) -> None:
    """A client may wait for it, whatever comes later."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        watch = stub.watch(order("silent"), metadata=naming(one.dev_key))
        async with asyncio.timeout(PATIENCE):
            assert ("first", "1") in [(name, value) for name, value in await watch.initial_metadata() or ()]
            watch.cancel()
            await agent.cancelled.wait()


@pytest.mark.parametrize("shape", ["one", "many"])
async def test_an_agents_own_error_comes_back_as_it_is(meet: Meet, shape: str) -> None:
    """Code, message, details and trailing metadata; after messages, too."""
    async with meet() as one, orders_at(one), stub_of(one) as stub:
        with_key = naming(one.dev_key)
        call = stub.place(order("refuse"), metadata=with_key)
        failure = await failed(call if shape == "one" else stub.watch(order("refuse", 3), metadata=with_key))
    assert (failure.code(), failure.details()) == (grpc.StatusCode.ABORTED, "no stock")
    trailing = dict(failure.trailing_metadata() or ())
    assert trailing["left"] == "0"
    details = trailing[DETAILS]
    assert isinstance(details, bytes)
    info = error_details_pb2.ErrorInfo()
    assert status_pb2.Status.FromString(details).details[0].Unpack(info)
    assert (info.reason, info.domain) == ("OUT_OF_STOCK", "orders")


async def test_statuses_that_the_node_itself_uses_come_back_as_well(meet: Meet) -> None:
    """Without details of ours: they are the agent's."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        with_key = naming(one.dev_key)
        failure = await failed(stub.place(order("unavailable"), metadata=with_key))
        assert (failure.code(), failure.details()) == (grpc.StatusCode.UNAVAILABLE, "closed until noon")
        assert not failure.trailing_metadata()
        failure = await failed(stub.place(order("crash"), metadata=with_key))
        assert failure.code() is grpc.StatusCode.UNKNOWN
        assert "out of paper" in (failure.details() or "")
        assert agent.calls == 2


async def test_a_method_that_the_agent_has_not_is_refused_by_the_agent(meet: Meet) -> None:
    """In its words, not in the node's."""
    async with meet() as one, orders_at(one), grpc.aio.insecure_channel(one.node.grpc_address) as channel:
        call: Raw = channel.unary_unary(f"/{SERVICE}/Nothing", None, None)
        failure = await failed(call(b"", metadata=naming(one.dev_key)))
    assert failure.code() is grpc.StatusCode.UNIMPLEMENTED
    assert not failure.trailing_metadata()


async def test_a_deadline_reaches_the_agent(meet: Meet) -> None:
    """With less time than its client has; over, the agent is cancelled."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        with_key = naming(one.dev_key)
        await stub.place(order("tea"), metadata=with_key, timeout=5)
        assert agent.time_left is not None
        assert 3 < agent.time_left < 5
        failure = await failed(stub.place(order("wait"), metadata=with_key, timeout=0.3))
        assert failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(PATIENCE):
            await agent.cancelled.wait()


async def test_a_call_without_a_deadline_gets_the_nodes(meet: Meet) -> None:
    """And ends with a word of ours when it is over."""
    async with meet(default_deadline=5.0) as one, orders_at(one), stub_of(one) as stub:
        failure = await failed(stub.place(order("wait"), metadata=naming(one.dev_key)))
    assert isinstance(named(failure), DeadlineExceeded)


async def test_a_client_that_goes_away_cancels_the_agent(meet: Meet) -> None:
    """In the middle of its messages: what they began never seems to have ended well."""
    seen: list[str] = []
    begun = asyncio.Event()

    async def take(rpc: Rpc) -> None:
        try:
            while await rpc.receive() is not None:
                begun.set()
            seen.append("ended")
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise

    async with (
        meet() as one,
        core_serving([Door("127.0.0.1:0")], Routes({}, Stream(take))) as (port,),
        stub_of(one) as stub,
    ):
        await one.dev.agents.register(ORDERS, f"127.0.0.1:{port}", 60)
        for number in range(40):
            begun.clear()
            upload = stub.upload(metadata=naming(one.dev_key))
            for _ in range(2 + number % 3):
                await upload.write(order("tea"))
            async with asyncio.timeout(PATIENCE):
                await begun.wait()
                upload.cancel()
                while len(seen) == number:  # noqa: ASYNC110 - the agent tells nobody
                    await asyncio.sleep(0.001)
    assert set(seen) == {"cancelled"}


async def test_a_call_is_known_and_ended_by_its_id(meet: Meet) -> None:
    """As any call is; the id stands in the first metadata."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        watch = stub.watch(order("silent"), metadata=naming(one.dev_key))
        async with asyncio.timeout(PATIENCE):
            call_id = str(dict(await watch.initial_metadata() or ())["a2a-call-id"])
            known = await one.dev.get_call(call_id)
            assert (known.agent, known.capability, known.status) == ("orders", f"{SERVICE}/Watch", "running")
            await one.dev.cancel(call_id, "enough")
            failure = await failed(watch)
            await agent.cancelled.wait()
        assert isinstance(named(failure), CallCancelled)


async def test_big_messages_pass_up_to_the_limit_of_payloads(meet: Meet) -> None:
    """In both directions."""
    limit = 1_000_000
    async with meet(payload_limit=limit) as one, orders_at(one), stub_of(one) as stub:
        with_key = naming(one.dev_key)
        big = order(data=bytes(limit - 100))
        assert await stub.place(big, metadata=with_key) == big
        for too_big in (order(data=bytes(limit + 10)), order("swell", limit + 10)):
            failure = await failed(stub.place(too_big, metadata=with_key))
            assert failure.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert isinstance(named(failure), PayloadTooLarge)


async def test_a_slow_reader_slows_the_agent(meet: Meet) -> None:
    """What is said ahead stays within a few windows of the connections."""
    async with meet() as one, orders_at(one) as agent, stub_of(one) as stub:
        flood = stub.watch(order("flood"), metadata=naming(one.dev_key))
        await flood.read()
        async with asyncio.timeout(PATIENCE):
            await agent.held_up.wait()
        assert agent.written < 1000  # of 50,000 bytes each
        flood.cancel()


async def test_a_lost_agent_is_told(meet: Meet) -> None:
    """By the node: the agent cannot say it any more; and no other call is begun for this one."""
    async with meet() as one, stub_of(one) as stub:
        async with orders_at(one) as agent:
            port = agent.port
        await one.dev.agents.register(ORDERS, f"127.0.0.1:{port}", 60)
        failure = await failed(stub.place(order("tea"), metadata=naming(one.dev_key)))
        assert isinstance(named(failure), AgentLost)


async def test_who_names_no_agent_hears_what_to_do(meet: Meet) -> None:
    """As before, and with a hint."""
    async with meet() as one, orders_at(one), stub_of(one) as stub:
        failure = await failed(stub.place(order(), metadata=naming(one.dev_key)[:1]))
    assert isinstance(named(failure), RpcNotServed)
    assert "a2a-agent" in (failure.details() or "")


@pytest.mark.parametrize(
    ("agent", "expected"), [("nobody", AgentNotFound), ("echo", AgentNotEndpoint), ("No!", InvalidInput)]
)
async def test_whom_nothing_can_be_passed_on_to(meet: Meet, agent: str, expected: type[MeshError]) -> None:
    """The node says why."""
    async with meet() as one, stub_of(one) as stub:
        failure = await failed(stub.place(order(), metadata=naming(one.dev_key, agent)))
    assert isinstance(named(failure), expected)


async def test_services_of_the_contract_are_never_passed_on(meet: Meet) -> None:
    """Nor what this version of it does not have."""
    async with meet() as one, orders_at(one) as agent, grpc.aio.insecure_channel(one.node.grpc_address) as channel:
        call: Raw = channel.unary_unary("/a2amesh.v1.WorkflowService/GuessRun", None, None)
        failure = await failed(call(b"", metadata=naming(one.dev_key)))
        assert agent.calls == 0
    assert isinstance(named(failure), RpcNotServed)


async def test_reflection_is_the_agents_own_for_those_who_name_it(meet: Meet) -> None:
    """With a key, as any call to it; without a name the node tells its own, to everybody."""
    asked = reflection_pb2.ServerReflectionRequest(list_services="")
    async with meet() as one, orders_at(one), grpc.aio.insecure_channel(one.node.grpc_address) as channel:
        reflect: Reflects = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        for metadata, listed in ((naming(one.dev_key), SERVICE), ((), "a2amesh.v1.AgentService")):
            rpc = reflect(metadata=metadata)
            await rpc.write(asked)
            answer = await rpc.read()
            assert isinstance(answer, reflection_pb2.ServerReflectionResponse)
            assert listed in [each.name for each in answer.list_services_response.service]
            rpc.cancel()
        failure = await failed(reflect(metadata=naming("wrong")))
    assert isinstance(named(failure), Unauthenticated)


async def test_health_is_the_agents_own_for_those_who_name_it(meet: Meet) -> None:
    """A probe of the agent from outside; the node's own is open to everybody."""
    asked = health_pb2.HealthCheckRequest(service=SERVICE)
    async with meet() as one, orders_at(one), grpc.aio.insecure_channel(one.node.grpc_address) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = await stub.Check(asked, metadata=naming(one.dev_key))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert (await failed(stub.Check(asked))).code() is grpc.StatusCode.NOT_FOUND
        assert (await stub.Check(health_pb2.HealthCheckRequest())).status == health_pb2.HealthCheckResponse.SERVING
        failure = await failed(stub.Check(asked, metadata=naming("wrong")))
    assert isinstance(named(failure), Unauthenticated)
