"""The server over real gRPC: the four shapes, cancellation, deadlines and the standard services."""

from __future__ import annotations

import asyncio
from time import monotonic

import grpc
import pytest

from a2a_node.model.call import Call
from a2a_node.model.payload import Payload
from a2amesh.v1 import agent_service_pb2 as pb
from a2amesh.v1 import payload_pb2
from tests.integration.server_house import KEY, SERVICE, answer, for_ever, house, refusal, say


async def test_one_input_gets_one_output() -> None:
    """And the call has an id."""
    async with house() as here:
        here.script.act = answer
        reply = await here.invoke(say())
        assert reply.output.text == "hello"
        assert here.calls.get(reply.call_id).agent == "echo"


async def test_a_stream_is_numbered_from_one() -> None:
    """Without gaps."""

    async def three(call: Call) -> None:
        for number in range(3):
            await call.reply(Payload({"number": number}))

    async with house() as here:
        here.script.act = three
        events = [event async for event in here.stream(pb.InvokeStreamRequest(agent="echo"))]
        assert [event.sequence for event in events] == [1, 2, 3]
        assert [event.output.struct["number"] for event in events] == [0, 1, 2]


async def test_a_conversation_goes_both_ways_until_the_client_is_done() -> None:
    """The opening first, then inputs."""
    async with house() as here:
        here.script.act = answer
        call = here.converse()
        await call.write(pb.ConverseRequest(open=pb.ConverseOpen(agent="echo")))
        for word in ("a", "b"):
            await call.write(pb.ConverseRequest(input=payload_pb2.Payload(text=word)))
            reply = await call.read()
            assert isinstance(reply, pb.ConverseResponse)
            assert reply.output.text == word
        await call.done_writing()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK


async def test_a_client_that_goes_away_cancels_the_agent_at_once() -> None:
    """Within 100 ms."""
    async with house() as here:
        here.script.act = for_ever
        call = asyncio.ensure_future(here.invoke(say()))
        await here.script.begun.wait()
        left_at = monotonic()
        call.cancel()
        async with asyncio.timeout(5):
            await here.calls.idle()
        assert here.script.cancelled_at - left_at < 0.1


async def test_cancel_call_ends_a_call_that_its_client_still_waits_for() -> None:
    """The client is told why."""
    async with house() as here:
        here.script.act = for_ever
        call_id = "0b0f9a44-6f5b-4a64-9c94-b2c1f3a2d001"
        request = say()
        request.call_id = call_id
        call = asyncio.ensure_future(here.invoke(request))
        await here.script.begun.wait()
        cancel = here.channel.unary_unary(
            SERVICE + "CancelCall",
            request_serializer=pb.CancelCallRequest.SerializeToString,
            response_deserializer=pb.CancelCallResponse.FromString,
        )
        said = await cancel(pb.CancelCallRequest(call_id=call_id, reason="enough"), metadata=KEY)
        assert said.call.status == pb.CALL_STATUS_CANCELLED
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call
        assert refused.value.code() is grpc.StatusCode.CANCELLED
        assert refusal(refused.value).variables["why"] == "enough"


async def test_a_deadline_reaches_the_agent_and_ends_the_call() -> None:
    """DEADLINE_EXCEEDED, and nothing is left running."""
    async with house() as here:
        here.script.act = for_ever
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.invoke(say(), timeout=0.05)
        assert refused.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        async with asyncio.timeout(5):
            await here.calls.idle()


async def test_a_slow_reader_slows_the_agent() -> None:
    """What is written ahead stays within a few windows of the connection, not the whole stream."""
    written = 0

    async def flood(call: Call) -> None:
        nonlocal written
        for _ in range(2000):
            await call.reply(Payload(b"x" * 10_000))
            written += 1

    async with house() as here:
        here.script.act = flood
        stream = here.stream(pb.InvokeStreamRequest(agent="echo"))
        await stream.read()
        seen = -1
        async with asyncio.timeout(20):
            while seen != written:
                seen = written
                await asyncio.sleep(0.2)
        assert written < 1500
        stream.cancel()
        async with asyncio.timeout(5):
            await here.calls.idle()


async def test_the_standard_services_answer_without_a_key() -> None:
    """Health and both versions of reflection; channelz wants one."""
    async with house() as here:
        assert await here.raw("/grpc.health.v1.Health/Check") == b"\x08\x01"
        for version in ("v1", "v1alpha"):
            name = f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo"
            rpc: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = here.channel.stream_stream(name, None, None)
            reflect = rpc()
            await reflect.write(b"\x3a\x00")
            listed = await reflect.read()
            assert isinstance(listed, bytes)
            assert b"a2amesh.v1.AgentService" in listed
            reflect.cancel()
        with pytest.raises(grpc.aio.AioRpcError, match="UNAUTHENTICATED"):
            await here.raw("/grpc.channelz.v1.Channelz/GetServers")
        assert await here.raw("/grpc.channelz.v1.Channelz/GetServers", metadata=KEY)
