"""An agent at its end of an Attach stream, without a socket: tests say what the node sends and see what it is sent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

from a2a_node.agent import Agent, AgentRefused, Context, Threads
from a2a_node.attach.host import Host, Options, Place
from a2a_node.attach.stream import Hears, Stream, Wire
from a2a_node.client.anywhere import Anywhere
from a2a_node.client.caller import MeshCaller
from a2a_node.client.connection import Connection
from a2a_node.mesh.background import background
from a2a_node.model.errors import MeshError
from a2a_node.wire.awake import Awake
from a2amesh.v1 import agent_host_service_pb2 as pb
from a2amesh.v1 import payload_pb2

OPTIONS = Options(max_calls=2, input_credit=4, payload_limit=1000)
CREDIT = 3

agent = Agent("worker", config={"own": True})


class Noted:
    """What the agent noticed."""

    def __init__(self) -> None:
        self.renew()

    def renew(self) -> None:
        """Forget what was before."""
        self.begun, self.ended = asyncio.Event(), asyncio.Event()
        self.clean, self.computed = asyncio.Event(), threading.Event()
        self.loop: asyncio.AbstractEventLoop
        self.contexts: list[Context] = []


noted = Noted()


@agent.capability
async def say(text: str, context: Context) -> dict[str, str]:
    """Answer with the text."""
    noted.contexts.append(context)
    return {"text": text}


@agent.capability
async def spend(tokens: list[int], context: Context, *, fails: bool = False) -> dict[str, int]:
    """Spend, and tell what is left."""
    for amount in tokens:
        context.spend("tokens", amount)
    if fails:
        raise AgentRefused("no")
    return dict(context.budget)


@agent.capability
async def count(to: int) -> AsyncIterator[int]:
    """Count from 1."""
    for number in range(1, to + 1):
        yield number


@agent.capability
async def add(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
    """Every sum so far."""
    total = 0
    async for number in numbers:
        total += number
        yield total


@agent.capability
async def hear(numbers: AsyncIterator[int]) -> int:
    """Wait for ever before the first number."""
    await wait()
    return await anext(numbers)


@agent.capability
async def wait() -> None:
    """Wait for ever."""
    noted.begun.set()
    try:
        await asyncio.Event().wait()
    finally:
        noted.ended.set()


@agent.capability
async def clean_up() -> None:
    """Take one's time to stop."""
    try:
        await wait()
    finally:
        await noted.clean.wait()


@agent.capability
async def carry_on() -> str:
    """Do not stop."""
    try:
        await wait()
    except asyncio.CancelledError:
        await noted.clean.wait()
    return "done"


@agent.capability
def compute() -> None:
    """Work in a thread, whatever happens."""
    noted.loop.call_soon_threadsafe(noted.begun.set)
    noted.computed.wait(5)


@agent.capability
async def give_up() -> None:
    """Cancel oneself."""
    raise asyncio.CancelledError


@agent.capability
async def refuse() -> None:
    """Refuse to work."""
    raise AgentRefused("not today", code="ABORTED", reason="TOO_LATE", day="sunday")


class Node:
    """The node's end of a stream."""

    def __init__(self) -> None:
        self.said: asyncio.Queue[pb.AttachResponse | None] = asyncio.Queue()
        self.heard: asyncio.Queue[pb.AttachRequest] = asyncio.Queue()
        self.places: list[Place] = []
        self.failure: MeshError | None = None
        self.ended = asyncio.Event()
        self._cython_call = self  # where gRPC's own call object keeps what lies below it

    def send(self, call_id: str = "", **frame: object) -> None:
        """Say something to the agent."""
        self.said.put_nowait(pb.AttachResponse(call_id=call_id, **frame))  # type: ignore[arg-type]

    def start(self, call_id: str, capability: str, text: str | None = None) -> None:
        """Begin a call."""
        said = None if text is None else payload_pb2.Payload(data=text.encode())
        self.send(call_id, start=pb.AttachStart(capability=capability, input=said, path=["root", "worker"]))

    def item(self, call_id: str, number: int) -> None:
        """Send an input."""
        self.send(call_id, input=payload_pb2.Payload(data=b'{"item": %d}' % number))

    async def next(self, kind: str) -> pb.AttachRequest:
        """The next frame of the agent, which is of that kind."""
        async with asyncio.timeout(5):
            frame = await self.heard.get()
        if frame.HasField("batch"):
            first, *others = frame.batch.frames
            for other in others:
                self.heard.put_nowait(other)
            frame = first
        assert frame.WhichOneof("frame") == kind, frame
        return frame

    async def __aiter__(self) -> AsyncIterator[pb.AttachResponse]:
        while (frame := await self.said.get()) is not None:
            yield frame

    async def wait_for_connection(self) -> None:
        """It is there."""

    async def send_serialized_message(self, message: bytes) -> None:
        """What the agent writes."""
        self.heard.put_nowait(pb.AttachRequest.FromString(message))

    def cancel(self) -> None:
        """The agent breaks off."""
        self.said.put_nowait(None)


@asynccontextmanager
async def attached(
    options: Options = OPTIONS, *, welcome: bool = True, awake: Awake | None = None
) -> AsyncIterator[tuple[Node, Stream]]:
    """An agent that has dialled, and mostly is welcome."""
    noted.renew()
    noted.loop = asyncio.get_running_loop()
    node, capabilities = Node(), {offered.name: offered for offered in agent.descriptor.capabilities}
    threads, mesh = Threads("test"), MeshCaller(Anywhere([Connection("127.0.0.1:1", "")]))
    host = Host(agent, "127.0.0.1:1", mesh, threads, options, capabilities)
    stream = Stream(host, cast("Wire", node), Hears(node.places.append), awake)

    async def run() -> None:
        try:
            await stream.run()
        except MeshError as failure:
            node.failure = failure
        node.ended.set()

    async with background(run):
        await node.next("hello")
        if welcome:
            node.send(welcome=pb.AttachWelcome(instance_id="i1", node_id="n1", output_credit=CREDIT))
        yield node, stream
    threads.shutdown()
