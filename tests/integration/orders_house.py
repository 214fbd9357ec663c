"""Nodes with the orders agent beside them, and channels that name it as any client's would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Awaitable
from contextlib import asynccontextmanager

import grpc
import pytest

from a2a_node.client import registered
from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.model.errors import MeshError
from a2a_node.wire.errors import DETAILS_KEY, from_status
from tests.integration.orders_agent import OrdersAgent, Stub, serving
from tests.integration.people import Meeting

PATIENCE = 20.0
BIG = 64 * 1024 * 1024  # bytes; more than any node here takes
ORDERS = AgentDescriptor("orders", capabilities=(AgentCapability("say"),))


def naming(key: str, agent: str = "orders") -> tuple[tuple[str, str], ...]:
    """What a client sends with each call: its key, and the agent."""
    return (("authorization", f"Bearer {key}"), ("a2a-agent", agent))


@asynccontextmanager
async def orders_at(place: Meeting) -> AsyncIterator[OrdersAgent]:
    """The agent, registered with a node."""
    async with serving() as agent, registered(ORDERS, place.dev, f"127.0.0.1:{agent.port}"):
        yield agent


@asynccontextmanager
async def stub_of(place: Meeting) -> AsyncIterator[Stub]:
    """Generated code's stub on a node's address; its channel reads no more ahead than gRPC does at first."""
    sizes = (("grpc.max_receive_message_length", BIG), ("grpc.max_send_message_length", BIG))
    options = (("grpc.http2.bdp_probe", 0), *sizes)
    async with grpc.aio.insecure_channel(place.node.grpc_address, options) as channel:
        yield Stub(channel)


async def failed(call: object) -> grpc.aio.AioRpcError:
    """How a call fails: the status as gRPC has it."""
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(grpc.aio.AioRpcError) as failure:
            await _over(call)
    return failure.value


async def _over(call: object) -> None:
    if isinstance(call, AsyncIterable):
        _ = [message async for message in call]
    elif isinstance(call, Awaitable):
        await call


def named(failure: grpc.aio.AioRpcError) -> MeshError:
    """What a status says in its details."""
    details = dict(failure.trailing_metadata() or ()).get(DETAILS_KEY)
    return from_status(failure.code().name, failure.details() or "", details if isinstance(details, bytes) else None)
