"""Two nodes of one mesh, an agent that says what it is told to, and streams as any client reads them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import grpc
from google.protobuf.message import Message

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import MeshError
from a2a_node.node import Node, running
from a2a_node.settings import Settings
from a2a_node.wire.errors import DETAILS_KEY, from_status
from a2a_node.wire.payloads import to_payload
from a2amesh.v1 import agent_service_pb2 as pb
from tests.ample import AMPLE_SETTINGS

PATIENCE = 15.0
LEASE = 1.0
Rpc: TypeAlias = "grpc.aio.UnaryStreamCall[Message, pb.InvokeStreamResponse]"


@dataclass
class Here:
    """One node, and a client of it on a channel of its own."""

    node: Node
    key: str
    mesh: MeshClient
    channel: grpc.aio.Channel

    def stream(self, **fields: object) -> Rpc:
        """One RPC as any client would make it."""
        return self.ask(pb.InvokeStreamRequest(**fields))  # type: ignore[arg-type]

    def resume(self, call_id: str, after: int) -> Rpc:
        """Read on."""
        return self.stream(resume=pb.StreamPosition(call_id=call_id, after_sequence=after))

    def ask(self, request: pb.InvokeStreamRequest) -> Rpc:
        """One RPC of that request."""
        rpc = self.channel.unary_stream(
            "/a2amesh.v1.AgentService/InvokeStream",
            pb.InvokeStreamRequest.SerializeToString,
            pb.InvokeStreamResponse.FromString,
        )
        return rpc(request, metadata=(("authorization", f"Bearer {self.key}"),))


@dataclass
class Script:
    """What the talker was told to say, and what became of it."""

    words: asyncio.Queue[str | None] = field(default_factory=asyncio.Queue)
    said: int = 0
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    begun: asyncio.Event = field(default_factory=asyncio.Event)

    def agent(self) -> Agent:
        """Says what it is told to, until it is told None."""
        talker = Agent("talker", version="1.0.0")

        @talker.capability
        async def talk() -> AsyncIterator[str]:
            self.begun.set()
            try:
                while (word := await self.words.get()) is not None:
                    yield word
                    self.said += 1
            except asyncio.CancelledError:
                self.stopped.set()
                raise

        @talker.capability
        async def flood(size: int, count: int) -> AsyncIterator[str]:
            try:
                for _ in range(count):
                    yield "x" * size
                    self.said += 1
            except asyncio.CancelledError:
                self.stopped.set()
                raise

        return talker

    def say(self, *words: str | None) -> None:
        """Have it say something; None ends it."""
        for word in words:
            self.words.put_nowait(word)


@dataclass
class Mesh:
    """Two nodes of one mesh; the talker is attached to the first."""

    here: Here
    there: Here
    script: Script
    redis: str


@asynccontextmanager
async def node_of(folder: Path, urls: tuple[str, str], **settings: object) -> AsyncIterator[Here]:
    """A node on those stores."""
    await asyncio.to_thread(folder.mkdir)
    chosen = {
        "data_dir": folder,
        "grpc_port": 0,
        "peer_port": 0,
        "http_port": 0,
        "drain": 2.0,
        "lease": LEASE,
        **AMPLE_SETTINGS,
        **settings,
    }
    async with running(Settings.model_validate(chosen), *urls) as node:
        key = node.key_file.read_text().strip()
        async with MeshClient(node.grpc_address, key) as mesh, grpc.aio.insecure_channel(node.grpc_address) as channel:
            yield Here(node, key, mesh, channel)


async def known(place: Here, agent: str) -> None:
    """Wait until a node knows an agent."""
    while True:
        try:
            if (await place.mesh.agents.get(agent)).instances:
                return
        except MeshError:
            pass
        await asyncio.sleep(0.01)


@asynccontextmanager
async def mesh_of_two(data_dir: Path, urls: tuple[str, str], **settings: object) -> AsyncIterator[Mesh]:
    """Two nodes, and an agent at the first."""
    await asyncio.to_thread(data_dir.mkdir)
    script = Script()
    async with (
        node_of(data_dir / "here", urls, **settings) as here,
        node_of(data_dir / "there", urls, echo=False, **settings) as there,
        attached(script.agent(), here.node.grpc_address, key=here.key),
    ):
        await known(there, "talker")
        yield Mesh(here, there, script, urls[1])
        script.say(None)  # the agent leaves once its calls have ended


async def next_of(rpc: Rpc) -> pb.InvokeStreamResponse:
    """The next event; the error that the stream ended with, as its own class."""
    async with asyncio.timeout(PATIENCE):
        try:
            event = await rpc.read()
        except grpc.aio.AioRpcError as failure:
            details = dict(failure.trailing_metadata() or ()).get(DETAILS_KEY)
            raise from_status(failure.code().name, failure.details() or "", details) from None
    assert isinstance(event, pb.InvokeStreamResponse)
    return event


async def words(rpc: Rpc, count: int) -> list[tuple[int, object]]:
    """So many outputs, each with its sequence."""
    events = [await next_of(rpc) for _ in range(count)]
    return [(event.sequence, said(event)) for event in events]


def said(event: pb.InvokeStreamResponse) -> object:
    """The word of an output."""
    body = to_payload(event.output).body
    return body.get("result") if isinstance(body, dict) else body


async def end_of(rpc: Rpc) -> MeshError | None:
    """How a stream ends, with nothing before."""
    async with asyncio.timeout(PATIENCE):
        try:
            left = await rpc.read()
        except grpc.aio.AioRpcError as failure:
            details = dict(failure.trailing_metadata() or ()).get(DETAILS_KEY)
            return from_status(failure.code().name, failure.details() or "", details)
    assert left is grpc.aio.EOF
    return None


async def rest_of(rpc: Rpc) -> list[pb.InvokeStreamResponse]:
    """All that follows, until the stream ends well."""
    events = []
    while isinstance(event := await rpc.read(), pb.InvokeStreamResponse):
        events.append(event)
    assert event is grpc.aio.EOF
    return events
