"""The server over real gRPC: the four shapes, refusals with their details, cancellation and deadlines."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import product
from time import monotonic
from typing import TypeAlias

import grpc
import pytest
from google.protobuf.message import Message

from a2a_node.mesh.calls import Calls
from a2a_node.model.call import Call, folded
from a2a_node.model.errors import AgentLost, MeshError
from a2a_node.model.payload import Payload
from a2a_node.model.principal import Principal
from a2a_node.pipeline.auth import KnownKeys, auth
from a2a_node.pipeline.envelope import EnvelopeRules, envelope
from a2a_node.pipeline.server import Front, handlers_of, serving, standard_handlers
from a2a_node.services.agent import QUESTIONS, AgentService
from a2a_node.services.standard import Health, standard_services
from a2a_node.wire.errors import DETAILS_KEY, from_status
from a2amesh.v1 import agent_service_pb2 as pb
from a2amesh.v1 import payload_pb2

KEY = (("authorization", "Bearer secret-key"),)
LIMIT = 1_000_000
SERVICE = "/a2amesh.v1.AgentService/"
Stream: TypeAlias = "grpc.aio.UnaryStreamCall[Message, pb.InvokeStreamResponse]"
Talk: TypeAlias = "grpc.aio.StreamStreamCall[pb.ConverseRequest, pb.ConverseResponse]"


@dataclass
class Script:
    """What the agent does with the next call, and what it noticed."""

    act: Callable[[Call], Awaitable[None]] | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled_at: float = 0.0

    async def leaf(self, call: Call) -> None:
        """Stand in for the outgoing layers."""
        self.begun.set()
        try:
            assert self.act is not None
            await self.act(call)
        except asyncio.CancelledError:
            self.cancelled_at = monotonic()
            raise


@dataclass
class House:
    """A server and a channel to it."""

    channel: grpc.aio.Channel
    script: Script
    calls: Calls

    async def invoke(self, request: pb.InvokeRequest, **options: object) -> pb.InvokeResponse:
        """One unary call."""
        rpc = self.channel.unary_unary(
            SERVICE + "Invoke",
            request_serializer=pb.InvokeRequest.SerializeToString,
            response_deserializer=pb.InvokeResponse.FromString,
        )
        return await rpc(request, **{"metadata": KEY, **options})  # type: ignore[arg-type]

    def stream(self, request: pb.InvokeStreamRequest) -> Stream:
        """One server stream."""
        rpc = self.channel.unary_stream(
            SERVICE + "InvokeStream",
            request_serializer=pb.InvokeStreamRequest.SerializeToString,
            response_deserializer=pb.InvokeStreamResponse.FromString,
        )
        return rpc(request, metadata=KEY)

    def converse(self) -> Talk:
        """One conversation."""
        rpc: grpc.aio.StreamStreamMultiCallable[pb.ConverseRequest, pb.ConverseResponse] = self.channel.stream_stream(
            SERVICE + "Converse",
            request_serializer=pb.ConverseRequest.SerializeToString,
            response_deserializer=pb.ConverseResponse.FromString,
        )
        return rpc(metadata=KEY)

    async def raw(self, method: str, message: bytes = b"", **options: object) -> bytes:
        """One unary call of bytes."""
        rpc: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(method, None, None)
        return await rpc(message, **options)  # type: ignore[arg-type]


@asynccontextmanager
async def house() -> AsyncIterator[House]:
    """A server with the layers that exist, and a scripted agent behind them."""
    script, calls = Script(), Calls()
    outgoing = folded([calls.track], script.leaf)
    layers = [
        envelope(EnvelopeRules(), calls.parent_of, lambda _: 0),
        auth(KnownKeys({"secret-key": Principal("person", "dev")})),
    ]

    async def rest(call: Call) -> None:
        await call.rest(call)

    front = Front(folded(layers, rest), QUESTIONS)
    health = Health(["a2amesh.v1.AgentService"])
    handlers = handlers_of([AgentService(outgoing, calls, LIMIT)], front)
    for register in standard_services(health, ["a2amesh.v1.AgentService"]):
        handlers |= standard_handlers(register, front)
    await health.report(serving=True)
    async with (
        serving("127.0.0.1:0", handlers, front, payload_limit=LIMIT, grace=0) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        yield House(channel, script, calls)


def refusal(error: grpc.aio.AioRpcError) -> MeshError:
    """The error behind a status, as a client of ours sees it."""
    details = dict(error.trailing_metadata() or ()).get(DETAILS_KEY)
    return from_status(error.code().name, error.details() or "", details if isinstance(details, bytes) else None)


async def answer(call: Call) -> None:
    """Answer each input with itself."""
    async for payload in call.requests:
        await call.reply(payload)


async def for_ever(_: Call) -> None:
    """Never end."""
    await asyncio.Event().wait()


def say(text: str = "hello") -> pb.InvokeRequest:
    """A request to echo."""
    return pb.InvokeRequest(agent="echo", capability="say", input=payload_pb2.Payload(text=text))


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


async def test_a_conversation_begins_with_its_opening() -> None:
    """Anything else is refused by field."""
    async with house() as here:
        call = here.converse()
        await call.write(pb.ConverseRequest(input=payload_pb2.Payload(text="x")))
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await call.read()
        assert refusal(refused.value).violations[0][0] == "open"


async def test_what_nobody_named_leaves_without_its_text() -> None:
    """INTERNAL, and not a word of the secret in it."""

    async def broken(_: Call) -> None:
        raise RuntimeError("the password is hunter2")

    async with house() as here:
        here.script.act = broken
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.invoke(say())
        assert refused.value.code() is grpc.StatusCode.INTERNAL
        assert "hunter2" not in repr(refused.value)
        assert refusal(refused.value).reason == "INTERNAL"


async def test_a_named_failure_arrives_with_reason_and_variables() -> None:
    """A client can tell what happened, and when to come back."""

    async def lost(_: Call) -> None:
        raise AgentLost("echo", "i1")

    async with house() as here:
        here.script.act = lost
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.invoke(say())
        error = refusal(refused.value)
        assert isinstance(error, AgentLost)
        assert (error.code, error.variables["instance"], error.retryable) == ("UNAVAILABLE", "i1", True)


@pytest.mark.parametrize(
    ("request_", "field_"),
    [
        pytest.param(pb.InvokeRequest(), "agent", id="missing"),
        pytest.param(pb.InvokeRequest(agent="No Such Name!"), "agent", id="malformed"),
        (pb.InvokeRequest(agent="echo", capability="../x"), "capability"),
        (pb.InvokeRequest(agent="echo", call_id="not-a-uuid"), "call_id"),
        (pb.InvokeRequest(agent="echo", idempotency_key="k" * 256), "idempotency_key"),
        (
            pb.InvokeRequest(agent="echo", input=payload_pb2.Payload(data=b"x", media_type="m" * 256)),
            "input.media_type",
        ),
    ],
)
async def test_malformed_fields_are_refused_by_name(request_: pb.InvokeRequest, field_: str) -> None:
    """INVALID_ARGUMENT says which field and why."""
    async with house() as here:
        here.script.act = answer
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.invoke(request_)
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert refusal(refused.value).violations[0][0] == field_


async def test_a_payload_over_the_limit_names_both_numbers() -> None:
    """Just over it, and far over it."""
    async with house() as here:
        here.script.act = answer
        for size in (LIMIT + 1, LIMIT * 3):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await here.invoke(pb.InvokeRequest(agent="echo", input=payload_pb2.Payload(data=b"x" * size)))
            assert refused.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            numbers = re.findall(r"\d{6,}", refused.value.details() or "")
            assert len(numbers) == 2


async def test_nobody_unknown_goes_further() -> None:
    """No key, or a wrong one, whether the request is right or wrong."""
    async with house() as here:
        for metadata, request in product(((), (("authorization", "Bearer wrong"),)), (say(), pb.InvokeRequest())):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await here.invoke(request, metadata=metadata)
            assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert not here.script.begun.is_set()


async def test_an_unknown_method_is_refused_by_name() -> None:
    """UNIMPLEMENTED with a reason, for those who are known."""
    async with house() as here:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.raw("/no.such.Service/Method", metadata=KEY)
        assert refusal(refused.value).reason == "RPC_NOT_SERVED"


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


async def test_an_agent_that_answers_a_unary_call_twice_is_named() -> None:
    """Nothing is guessed from two outputs, nor from none."""

    async def twice(call: Call) -> None:
        await call.reply(Payload({}))
        await call.reply(Payload({}))

    async def never(_: Call) -> None:
        """End without a word."""

    async with house() as here:
        for act in (twice, never):
            here.script.act = act
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await here.invoke(say())
            assert refusal(refused.value).reason == "AGENT_PROTOCOL"


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


async def test_what_is_not_served_yet_is_refused_and_never_ignored() -> None:
    """Budgets, keys on streams, and streams to resume."""
    call_id = "0b0f9a44-6f5b-4a64-9c94-b2c1f3a2d001"
    async with house() as here:
        here.script.act = answer
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await here.invoke(pb.InvokeRequest(agent="echo", budget={"calls": 1}))
        assert refusal(refused.value).violations[0][0] == "budget"
        for request, reason in (
            (pb.InvokeStreamRequest(agent="echo", idempotency_key="k"), "INVALID_INPUT"),
            (pb.InvokeStreamRequest(resume=pb.StreamPosition(call_id=call_id)), "STREAM_NOT_FOUND"),
        ):
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await here.stream(request).read()
            assert refusal(refused.value).reason == reason
