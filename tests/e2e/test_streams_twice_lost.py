"""Streams whose client's node and agent's node are both killed: a third one tells all that was said, and the end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic

import grpc
import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.client.values import decoded
from a2a_node.model.call import CallStatus
from a2a_node.model.errors import AgentLost, MeshError, NodeLost
from a2a_node.model.names import fresh_uuid
from a2a_node.wire.payloads import to_payload
from a2amesh.v1 import agent_service_pb2 as pb
from tests.ample import AMPLE
from tests.e2e.mesh_nodes import Nodes
from tests.e2e.nodes import RunningNode
from tests.e2e.test_mesh import known
from tests.e2e.test_streams import PATIENCE, number, until_lost
from tests.integration.orders_house import named

LEASE = 6.0  # seconds: beside it a busy machine's own delays are small
FIRST = {"their client's": NodeLost, "their agent's": AgentLost}


def counter() -> Agent:
    """An agent that counts for ever."""
    agent = Agent("counter")

    @agent.capability(limit=AMPLE)
    async def count() -> AsyncIterator[dict[str, int]]:
        for one in range(1, 1_000_000):
            yield {"number": one}
            await asyncio.sleep(0.005)

    return agent


class Three:
    """Three nodes of a mesh: the client's, the agent's, and the one that is left."""

    def __init__(self, nodes: Nodes) -> None:
        self.key, self.nodes = "", nodes
        self.entry, self.server, self.third = [nodes.start(A2A_LEASE=str(LEASE)) for _ in range(3)]
        self.key = nodes.key

    @property
    def addresses(self) -> str:
        """All, as a client is given them."""
        return ",".join(node.address for node in (self.entry, self.server, self.third))

    async def kept(self, call_id: str) -> tuple[list[int], str]:
        """What the third node tells of a stream to somebody who begins to read it now, and the reason of its end."""
        async with grpc.aio.insecure_channel(self.third.address) as channel:
            read: grpc.aio.UnaryStreamMultiCallable[pb.InvokeStreamRequest, pb.InvokeStreamResponse]
            read = channel.unary_stream(
                "/a2amesh.v1.AgentService/InvokeStream",
                pb.InvokeStreamRequest.SerializeToString,
                pb.InvokeStreamResponse.FromString,
            )
            request = pb.InvokeStreamRequest(resume=pb.StreamPosition(call_id=call_id))
            told = list[int]()
            try:
                async for event in read(request, metadata=(("authorization", f"Bearer {self.key}"),)):
                    assert decoded(to_payload(event.output)) == {"number": event.sequence}
                    told.append(event.sequence)
            except grpc.aio.AioRpcError as failure:
                return told, named(failure).reason
        raise AssertionError("it did not fail")


def kill(*nodes: RunningNode) -> float:
    """Kill -9 of them, one right after the other; when."""
    for node in nodes:
        os.kill(node.pid, signal.SIGKILL)
    return monotonic()


@asynccontextmanager
async def reading(nodes: Nodes) -> AsyncIterator[tuple[Three, AsyncIterator[object], str]]:
    """A mesh, a stream of numbers through two nodes of it, and the id of its call."""
    mesh = await asyncio.to_thread(Three, nodes)
    async with (
        attached(counter(), mesh.server.address, key=mesh.key),
        MeshClient(mesh.addresses, mesh.key) as client,
        asyncio.timeout(PATIENCE),
    ):
        await known(client, "counter", 1)
        call_id = fresh_uuid()
        yield mesh, client.stream("counter", "count", call_id=call_id, timeout=PATIENCE), call_id


@pytest.mark.parametrize("heard", [1, 40])
@pytest.mark.parametrize("first", FIRST)
async def test_a_stream_whose_nodes_both_die_ends_with_all_that_was_said(nodes: Nodes, first: str, heard: int) -> None:
    """In order, each once, then as lost, within two leases; whoever asks later hears the same."""
    async with reading(nodes) as (mesh, numbers, call_id):
        seen = [await number(numbers) for _ in range(heard)]
        both = (mesh.entry, mesh.server)
        killed = kill(*(both if first == "their client's" else reversed(both)))
        rest, failure = await until_lost(numbers)
        took = monotonic() - killed
        assert isinstance(failure, NodeLost | FIRST[first])
        assert seen + rest == list(range(1, len(seen + rest) + 1))
        assert took < 2 * LEASE
        await told_by_all(mesh, call_id, (seen + rest, failure))


async def test_a_stream_whose_second_node_dies_as_well_ends(nodes: Nodes) -> None:
    """It had gone on at its agent's node when that died, too: all that both said, then as lost, within two leases."""
    async with reading(nodes) as (mesh, numbers, call_id):
        seen = [await number(numbers) for _ in range(10)]
        kill(mesh.entry)
        seen += [await number(numbers) for _ in range(1000)]  # more than the first node can have kept before it died
        killed = kill(mesh.server)
        rest, failure = await until_lost(numbers)
        took = monotonic() - killed
        assert isinstance(failure, NodeLost)
        assert seen + rest == list(range(1, len(seen + rest) + 1))
        assert took < 2 * LEASE
        await told_by_all(mesh, call_id, (seen + rest, failure))


async def told_by_all(mesh: Three, call_id: str, heard: tuple[list[int], MeshError]) -> None:
    """See that the node that is left tells others the same as the client heard."""
    numbers, failure = heard
    assert await mesh.kept(call_id) == (numbers, failure.reason)
    async with MeshClient(mesh.third.address, mesh.key) as other:
        record = await other.get_call(call_id)
    assert (record.status, repr(record.error)) == (CallStatus.FAILED, repr(failure))
