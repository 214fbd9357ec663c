"""A server with the layers that need no stores, a scripted agent behind them, and a channel to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeAlias

import grpc
from google.protobuf.message import Message

from a2a_node.access.credentials import KnownKeys
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.returning import Returning
from a2a_node.model.call import Call, folded
from a2a_node.model.errors import MeshError
from a2a_node.model.names import fresh_uuid
from a2a_node.model.principal import Principal
from a2a_node.pipeline.auth import auth
from a2a_node.pipeline.envelope import EnvelopeRules, Envelopes
from a2a_node.pipeline.server import Door, Front, handlers_of, serving
from a2a_node.pipeline.standard import standard_handlers
from a2a_node.pipeline.steps import Parents
from a2a_node.services.agent import AgentService, questions
from a2a_node.services.standard import Health, standard_services
from a2a_node.testing import MemoryStreams, OneSecret
from a2a_node.wire.errors import DETAILS_KEY, from_status
from a2a_node.wire.seals import Seals
from a2amesh.v1 import agent_service_pb2 as pb
from a2amesh.v1 import payload_pb2
from tests.integration.alone import alone

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
    parents = Parents(calls.parent_of, "")
    layers = [
        Envelopes(EnvelopeRules(), parents.of, lambda _: 0, Seals("one", OneSecret()), lambda _: None).check,
        auth(KnownKeys({"secret-key": Principal("person", "dev")})),
    ]

    async def rest(call: Call) -> None:
        await call.rest(call)

    front = Front(folded(layers, rest), questions(fresh_uuid))
    health = Health(["a2amesh.v1.AgentService"])
    handlers = handlers_of([AgentService(outgoing, alone(calls), Returning(MemoryStreams(), calls, 15), LIMIT)], front)
    for register in standard_services(health, ["a2amesh.v1.AgentService"]):
        handlers |= standard_handlers(register, front)
    await health.report(serving=True)
    async with (
        serving([Door("127.0.0.1:0")], handlers, front, payload_limit=LIMIT, grace=0) as (port,),
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
