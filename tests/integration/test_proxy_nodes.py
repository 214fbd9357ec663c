"""An agent's own gRPC service, called through a node that it is not registered with: over the link to its own node."""

from __future__ import annotations

import asyncio

import grpc
from grpc_reflection.v1alpha import reflection_pb2

from a2a_node.model.errors import Frozen, NoInstance, PermissionDenied
from tests.integration.orders_agent import DETAILS, SERVICE, count_of, item_of, order
from tests.integration.orders_house import PATIENCE, failed, named, naming, orders_at, stub_of
from tests.integration.peer_agents import known
from tests.integration.people import Meet, meet
from tests.integration.test_proxy import Reflects, orders

__all__ = ["meet"]


async def test_any_node_passes_it_on(meet: Meet) -> None:
    """Every shape, metadata in both directions, errors as they are, deadlines, and the client's leaving."""
    async with meet("one") as one, meet("two") as two, orders_at(two) as agent, stub_of(one) as stub:
        await known(one, "orders")
        with_key = naming(one.dev_key)
        said = (("tenant", "a"), ("tenant", "b"), ("blob-bin", b"\xff\0"))
        call = stub.place(order("said"), metadata=(*with_key, *said), timeout=5)
        first = list(await call.initial_metadata() or ())
        assert item_of(await call) == "said"
        assert [entry for entry in agent.heard if entry[0] in ("tenant", "blob-bin")] == list(said)
        assert one.dev_key not in str(agent.heard)
        assert [entry for entry in first if entry[0] != "a2a-call-id"] == [
            ("first", "1"),
            ("first", "2"),
            ("first-bin", b"\0\xff"),
        ]
        assert list(await call.trailing_metadata() or ()) == [("last", "3"), ("last-bin", b"\xfe\0")]
        assert agent.time_left is not None
        assert 2 < agent.time_left < 5

        several = [count_of(each) async for each in stub.watch(order("tea", 100), metadata=with_key)]
        assert several == list(range(100))
        counted = await stub.upload(orders(*["tea"] * 100), metadata=with_key)
        assert count_of(counted) == 100
        talk = stub.talk(metadata=with_key)
        for item in ("tea", "bye"):
            await talk.write(order(item))
            assert item_of(await talk.read()) == item
        assert await talk.code() is grpc.StatusCode.OK

        failure = await failed(stub.watch(order("refuse", 3), metadata=with_key))
        assert (failure.code(), failure.details()) == (grpc.StatusCode.ABORTED, "no stock")
        assert dict(failure.trailing_metadata() or ())["left"] == "0"
        assert DETAILS in dict(failure.trailing_metadata() or ())
        failure = await failed(stub.place(order("wait"), metadata=with_key, timeout=0.5))
        assert failure.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(PATIENCE):
            await agent.cancelled.wait()
            agent.cancelled.clear()
            silent = stub.watch(order("silent"), metadata=with_key)
            call_id = str(dict(await silent.initial_metadata() or ())["a2a-call-id"])
            record = await two.dev.get_call(call_id)
            assert (record.agent, record.capability, record.status) == ("orders", f"{SERVICE}/Watch", "running")
            silent.cancel()
            await agent.cancelled.wait()


async def test_reflection_is_the_agents_own_on_any_node(meet: Meet) -> None:
    """Its services, and the file that a client builds its messages from."""
    async with (
        meet("one") as one,
        meet("two") as two,
        orders_at(two),
        grpc.aio.insecure_channel(one.node.grpc_address) as channel,
    ):
        await known(one, "orders")
        reflect: Reflects = channel.stream_stream(
            "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        talk = reflect(metadata=naming(one.dev_key))
        await talk.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        listed = await talk.read()
        assert isinstance(listed, reflection_pb2.ServerReflectionResponse)
        assert SERVICE in [each.name for each in listed.list_services_response.service]
        await talk.write(reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICE))
        found = await talk.read()
        assert isinstance(found, reflection_pb2.ServerReflectionResponse)
        assert b"orders/v1/orders.proto" in found.file_descriptor_response.file_descriptor_proto[0]
        await talk.done_writing()
        assert await talk.code() is grpc.StatusCode.OK


async def test_access_is_decided_where_the_call_comes_in(meet: Meet) -> None:
    """Grants and freezes hold over nodes."""
    async with meet("one") as one, meet("two") as two, orders_at(two) as agent, stub_of(one) as stub:
        await known(one, "orders")
        failure = await failed(stub.place(order(), metadata=naming("key-of-ann")))
        assert isinstance(named(failure), PermissionDenied)
        await two.dev.freezes.freeze("agent:orders", "it runs wild")
        failure = await failed(stub.place(order(), metadata=naming(one.dev_key)))
        assert isinstance(named(failure), Frozen)
        assert agent.calls == 0


async def test_big_messages_and_slow_readers_over_a_link(meet: Meet) -> None:
    """Large ones pass whole; who does not read slows the agent, and nobody else."""
    async with meet("one") as one, meet("two") as two, orders_at(two) as agent, stub_of(one) as stub:
        await known(one, "orders")
        with_key = naming(one.dev_key)
        big = order(data=bytes(10_000_000))
        assert await stub.place(big, metadata=with_key) == big
        flood = stub.watch(order("flood"), metadata=with_key)
        await flood.read()
        async with asyncio.timeout(PATIENCE):
            await agent.held_up.wait()
        assert agent.written < 100  # of 50,000 bytes each
        assert item_of(await stub.place(order("tea"), metadata=with_key)) == "tea"
        flood.cancel()


async def test_an_agent_whose_node_is_gone_is_said_to_be_away(meet: Meet) -> None:
    """By the node that was asked, in its own words."""
    async with meet("one") as one, stub_of(one) as stub:
        async with meet("two") as two, orders_at(two):
            await known(one, "orders")
        failure = await failed(stub.place(order(), metadata=naming(one.dev_key)))
        assert failure.code() is grpc.StatusCode.UNAVAILABLE
        assert isinstance(named(failure), NoInstance)
