"""An agent at an endpoint, whole: a real node calls it in all manners, and strangers get nothing else from it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import grpc
import pytest

from a2a_node.agent import Agent, AgentRefused
from a2a_node.endpoint import endpoint
from a2a_node.model.errors import MeshError
from a2a_node.wire.calls import CALL_ID
from a2a_node.wire.errors import DETAILS_KEY, from_status
from a2amesh.v1 import agent_service_pb2 as pb
from tests.integration.conftest import Running

SERVICE = "/a2amesh.v1.AgentService"
Unary = grpc.aio.UnaryUnaryMultiCallable[bytes, bytes]


def worker() -> Agent:
    """One capability of each manner."""
    agent = Agent("worker", version="1.0.0")

    @agent.capability
    async def say(text: str) -> dict[str, str]:
        return {"text": text}

    @agent.capability
    async def count(n: int) -> AsyncIterator[dict[str, int]]:
        for number in range(n):
            yield {"number": number}

    @agent.capability
    async def total(numbers: AsyncIterator[int]) -> AsyncIterator[dict[str, int]]:
        total = 0
        async for number in numbers:
            total += number
            yield {"total": total}

    @agent.capability
    async def refuse(why: str) -> dict[str, str]:
        raise AgentRefused(why)

    return agent


async def test_an_agent_at_an_endpoint_works_in_every_manner(running_node: Running) -> None:
    """Answers, also those longer than gRPC's own 4 MiB; streams; conversations; refusals by their reason."""
    async with running_node() as (_, mesh), endpoint(worker(), mesh):
        assert await mesh.call("worker", "say", {"text": "hello"}) == {"text": "hello"}
        long = "x" * 5_000_000
        assert await mesh.call("worker", "say", {"text": long}) == {"text": long}
        assert [one async for one in mesh.stream("worker", "count", {"n": 3})] == [{"number": n} for n in range(3)]
        talk = mesh.converse("worker", "total", numbers(1, 2, 3))
        assert [one async for one in talk] == [{"total": 1}, {"total": 3}, {"total": 6}]
        with pytest.raises(MeshError, match="not today"):
            await mesh.call("worker", "refuse", {"why": "not today"})


async def numbers(*several: int) -> AsyncIterator[dict[str, int]]:
    """Inputs of a conversation."""
    for number in several:
        yield {"item": number}


@pytest.mark.parametrize(
    ("method", "message", "reason"),
    [
        ("GetCall", b"", "RPC_NOT_SERVED"),
        ("Invoke", b"\xff\xff\xff", "INVALID_INPUT"),
        ("Invoke", b"", "CAPABILITY_NOT_FOUND"),
        ("CancelCall", b"", "INVALID_INPUT"),
    ],
)
async def test_what_an_endpoint_does_not_serve_is_refused_by_its_reason(
    running_node: Running, method: str, message: bytes, reason: str
) -> None:
    """Whoever asks."""
    async with (
        running_node() as (_, mesh),
        endpoint(worker(), mesh) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        assert (await refusal(channel, method, message)).reason == reason


async def test_a_call_that_was_stopped_before_it_came_begins_no_work(running_node: Running) -> None:
    """Whoever is told that an endpoint does not know a call can rely on that."""
    call_id = str(uuid4())
    asked = pb.CancelCallRequest(call_id=call_id).SerializeToString()
    late = pb.InvokeRequest(agent="worker", capability="refuse", call_id=call_id).SerializeToString()
    async with (
        running_node() as (_, mesh),
        endpoint(worker(), mesh) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        assert (await refusal(channel, "CancelCall", asked)).reason == "CALL_NOT_FOUND"
        assert (await refusal(channel, "Invoke", late, (CALL_ID, call_id))).reason == "CALL_CANCELLED"


async def refusal(channel: grpc.aio.Channel, method: str, message: bytes, *metadata: tuple[str, str]) -> MeshError:
    """The error of a call that is refused."""
    rpc: Unary = channel.unary_unary(f"{SERVICE}/{method}", None, None)
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await rpc(message, timeout=10, metadata=metadata)
    details = dict(refused.value.trailing_metadata() or ())[DETAILS_KEY]
    assert isinstance(details, bytes)
    return from_status(refused.value.code().name, refused.value.details() or "", details)


async def test_calls_under_way_end_well_when_an_endpoint_closes(running_node: Running) -> None:
    """Its instance is gone from the registry before its door closes."""
    async with running_node() as (_, mesh):
        async with endpoint(worker(), mesh):
            assert (await mesh.agents.get("worker")).instances
        assert not (await mesh.agents.get("worker")).instances
