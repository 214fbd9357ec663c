"""`MeshClient.through`: generated stubs on the client's own channel, with what the client says of itself."""

from __future__ import annotations

import asyncio

import grpc

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from tests.integration.orders_agent import Stub, count_of, item_of, order
from tests.integration.orders_house import PATIENCE, failed, orders_at
from tests.integration.people import Meet, meet
from tests.integration.test_proxy import orders

__all__ = ["meet"]


async def test_a_generated_stub_works_on_it_in_every_shape(meet: Meet) -> None:
    """Calls are gRPC's own: metadata, deadlines, cancellation and errors."""
    async with meet() as one, orders_at(one) as agent, one.dev.through("orders") as channel:
        stub = Stub(channel)
        assert item_of(await stub.place(order("tea"), metadata=(("tenant", "a"),), timeout=5)) == "tea"
        assert dict(agent.heard)["tenant"] == "a"
        assert agent.time_left is not None
        assert agent.time_left < 5
        assert [count_of(each) async for each in stub.watch(order("tea", 3))] == [0, 1, 2]
        assert count_of(await stub.upload(orders("tea", "milk"))) == 2
        talk = stub.talk()
        await talk.write(order("bye"))
        assert item_of(await talk.read()) == "bye"
        assert (await failed(stub.place(order("refuse")))).code() is grpc.StatusCode.ABORTED
        silent = stub.watch(order("silent"))
        async with asyncio.timeout(PATIENCE):
            await agent.begun.wait()
            silent.cancel()
            await agent.cancelled.wait()
            await channel.channel_ready()
        assert channel.get_state() is grpc.ChannelConnectivity.READY


async def test_at_work_its_calls_continue_the_agents_own(meet: Meet) -> None:
    """Their path, and a deadline never later."""
    asker = Agent("asker")

    @asker.capability
    async def ask(address: str, key: str, context: Context) -> dict[str, float]:
        async with MeshClient(address, key) as mesh:
            await Stub(mesh.through("orders")).place(order("tea"))
        return {"left": context.time_left()}

    async with meet() as one, orders_at(one) as agent, attached(asker, one.node.grpc_address, key=one.dev_key):
        await one.dev.call("asker", "ask", {"address": one.node.grpc_address, "key": one.dev_key}, timeout=5)
        assert dict(agent.heard)["a2a-path"] == "asker,orders"
        assert agent.time_left is not None
        assert agent.time_left < 5
