"""An agent at the other end of an Attach stream, without a socket: tests say what it sends and see what it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from time import monotonic

from a2a_node.mesh.attach_stream import AttachStream, Rules
from a2a_node.mesh.background import background
from a2a_node.mesh.guest import guest_of
from a2a_node.mesh.lingering import Lingering
from a2a_node.model.agents import AgentCapability
from a2a_node.model.call import Call, Once
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import MeshError
from a2a_node.model.payload import Payload
from a2a_node.wire.awake import Awake
from a2amesh.v1 import agent_host_service_pb2 as pb
from a2amesh.v1 import agent_service_pb2, payload_pb2

LIMIT = 10_000
RULES = Rules(payload_limit=LIMIT, silence=60.0)
CAPABILITIES = {
    "say": AgentCapability("say"),
    "count": AgentCapability("count", streams_output=True),
    "add": AgentCapability("add", streams_output=True, streams_input=True),
}


@dataclass
class Peer:
    """The agent's end of a stream, and the node's."""

    stream: AttachStream
    left: list[str]  # instances that are gone
    lingering: Lingering  # work that outlives its call
    sent: asyncio.Queue[pb.AttachRequest | None] = field(default_factory=asyncio.Queue)
    got: asyncio.Queue[pb.AttachResponse] = field(default_factory=asyncio.Queue)
    reads: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    failure: MeshError | None = None

    def send(self, *frames: pb.AttachRequest) -> None:
        """Say something to the node."""
        for frame in frames:
            self.sent.put_nowait(frame)

    def hang_up(self) -> None:
        """Say no more."""
        self.sent.put_nowait(None)

    async def next(self, kind: str) -> pb.AttachResponse:
        """The next frame that the node sends, which is of that kind."""
        async with asyncio.timeout(5):
            frame = await self.got.get()
        assert frame.WhichOneof("frame") == kind, frame
        return frame

    async def requests(self) -> AsyncIterator[pb.AttachRequest]:
        """What the node reads."""
        while (frame := await self.sent.get()) is not None:
            yield frame

    async def write(self, frame: pb.AttachResponse) -> None:
        """What the node writes, as long as the agent reads."""
        await self.reads.wait()
        self.got.put_nowait(frame)

    async def run(self) -> None:
        """The stream to its end, as the node has it."""
        try:
            await self.stream.run(self.requests(), self.write)
        except MeshError as failure:
            self.failure = failure
        finally:
            self.stream.lose()
            self.ended.set()


@asynccontextmanager
async def attached(rules: Rules = RULES, **hello: int) -> AsyncIterator[Peer]:
    """An agent that is attached and welcome."""
    greeting = pb.AttachHello(**hello)  # type: ignore[arg-type]
    greeting.agent.name = "a"
    for capability in CAPABILITIES.values():
        greeting.agent.capabilities.add(name=capability.name)
    guest = guest_of(greeting, "person:dev", "n1", rules.payload_limit)
    left: list[str] = []
    lingering = Lingering()
    peer = Peer(AttachStream(guest, rules, left.append, Awake(), lingering), left, lingering)
    peer.reads.set()
    peer.stream.begin({})
    async with background(peer.run):
        yield peer


class Asked:
    """A call that is carried, its outputs and its end."""

    def __init__(self, peer: Peer, capability: str = "say", *, call_id: str = "c1", said: object = None) -> None:
        self.call = Call(
            method="/m", rest=_no_more, id=call_id, agent="a", capability=capability, token="t1", reply=self._reply
        )
        self.call.offered = CAPABILITIES[capability]
        self.call.envelope = Envelope(monotonic() + 30, 30.0, path=("root", "a"))
        self.call.requests = said if isinstance(said, AsyncIterator) else Once(Payload(b'"x"'))
        self.outputs: list[object] = []
        self.reads = asyncio.Event()
        self.reads.set()
        self.answered = asyncio.Event()
        self.task = asyncio.create_task(peer.stream.carry(self.call))
        self.task.add_done_callback(lambda task: task.cancelled() or task.exception())  # it may fail unheard

    async def outcome(self) -> list[object]:
        """Every output, and `end` or the reason of the failure."""
        try:
            async with asyncio.timeout(5):
                await self.task
        except MeshError as failure:
            return [*self.outputs, failure.reason]
        return [*self.outputs, "end"]

    async def _reply(self, payload: Payload) -> None:
        await self.reads.wait()
        self.outputs.append(payload.body)
        self.answered.set()


def output(call_id: str, text: str = "x") -> pb.AttachRequest:
    """A frame with an output."""
    return pb.AttachRequest(call_id=call_id, output=payload_pb2.Payload(text=text))


def end(call_id: str, text: str | None = None) -> pb.AttachRequest:
    """The end of a call, with or without an output."""
    last = None if text is None else payload_pb2.Payload(text=text)
    return pb.AttachRequest(call_id=call_id, end=pb.AttachEnd(output=last))


def fail(call_id: str) -> pb.AttachRequest:
    """The end of a call that was cancelled."""
    return pb.AttachRequest(call_id=call_id, fail=agent_service_pb2.CallError(code="CANCELLED"))


async def _no_more(_: Call) -> None:
    """Nothing more to do."""
