"""A link without a socket: what one end writes, the other one reads."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic

from a2a_node.mesh.arrivals import Arrivals
from a2a_node.mesh.heirs import Heirs
from a2a_node.mesh.link import Link, Rules
from a2a_node.mesh.work import Peer
from a2a_node.model.agents import AgentCapability, Instance, InstanceKind
from a2a_node.model.call import Call, Once
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import MeshError
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.principal import Principal
from a2amesh.v1 import peer_service_pb2 as pb

RULES = Rules(payload_limit=100_000, credit=4, silence=60)
THERE = Instance("i-1", "echo", "two", InstanceKind.HOSTED)
PATIENCE = 5.0


@dataclass
class Wire:
    """Both directions of a stream."""

    there: asyncio.Queue[pb.LinkRequest | None] = field(default_factory=asyncio.Queue)
    back: asyncio.Queue[pb.LinkResponse | None] = field(default_factory=asyncio.Queue)
    written: list[pb.LinkRequest] = field(default_factory=list)
    heard: list[pb.LinkResponse] = field(default_factory=list)
    parted: asyncio.Event = field(default_factory=asyncio.Event)  # a part was written
    forgets: str = ""  # which end, "calling" or "called", knows nothing of parts

    async def each(self, take: Callable[[pb.LinkResponse], None]) -> None:
        """What the other node says."""
        while (frame := await self.back.get()) is not None:
            self.heard.append(frame)
            if self.forgets and frame.HasField("welcome"):
                frame.welcome.ClearField("reads_parts")
            take(frame)

    async def write(self, frame: pb.LinkRequest) -> None:
        """Say something to the other node."""
        if self.forgets == "calling" and frame.HasField("start"):
            frame.start.ClearField("reads_parts")
        self.written.append(frame)
        if frame.HasField("part"):
            self.parted.set()
        await self.there.put(frame)

    def begin(self, frame: pb.LinkRequest) -> asyncio.Future[bool] | None:
        """Begin to say something, which ends as `write` does."""
        return asyncio.ensure_future(_done(self.write(frame)))

    def kinds(self) -> list[str | None]:
        """What was said to the other node, of frames in batches as well."""
        frames = [one for frame in self.written for one in frame.batch.frames or (frame,)]
        return [frame.WhichOneof("frame") for frame in frames]

    def answers(self) -> Answers:
        """What the other node writes to."""
        return Answers(self)

    def requests(self) -> Requests:
        """What the other node reads."""
        return Requests(self.there)


async def _done(work: Awaitable[None]) -> bool:
    await work
    return True


@dataclass(frozen=True)
class Answers:
    """What writes to the node that has dialled."""

    wire: Wire

    async def __call__(self, frame: pb.LinkResponse) -> None:
        """Say something."""
        await self.wire.back.put(frame)

    def begin(self, frame: pb.LinkResponse) -> asyncio.Future[bool] | None:
        """Begin to say something."""
        return asyncio.ensure_future(_done(self(frame)))


@dataclass(frozen=True)
class Requests:
    """What was said to the other node."""

    there: asyncio.Queue[pb.LinkRequest | None]

    async def each(self, take: Callable[[pb.LinkRequest], None]) -> None:
        """Read it."""
        while (frame := await self.there.get()) is not None:
            take(frame)


class Script:
    """What an agent on the other node does: the layers end here."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.seen: list[Payload] = []
        self.said = 0
        self.begun, self.cancelled = asyncio.Event(), asyncio.Event()

    async def run(self, call: Call) -> None:
        """The incoming layers."""
        self.calls.append(call)
        await call.rest(call)

    async def serve(self, call: Call) -> None:
        """The rest of the layers, and the agent, which does as its capability is called."""
        act = getattr(self, call.capability)
        self.begun.set()
        try:
            await act(call)
        except asyncio.CancelledError:
            self.cancelled.set()
            raise

    async def say(self, call: Call) -> None:
        """Answer with the input."""
        call.begun = True
        await call.reply(await anext(call.requests))

    async def count(self, call: Call) -> None:
        """Answer a hundred times."""
        call.begun = True
        for number in range(100):
            await call.reply(Payload(str(number), TEXT))
            self.said = number + 1

    async def talk(self, call: Call) -> None:
        """Answer every input."""
        call.begun = True
        async for payload in call.requests:
            self.seen.append(payload)
            await call.reply(payload)

    async def wait(self, call: Call) -> None:
        """Do nothing for ever."""
        call.begun = True
        await asyncio.Event().wait()

    async def refuse(self, _: Call) -> None:
        """Refuse before any work."""
        raise MeshError("not here")

    async def overrun(self, call: Call) -> None:
        """Refuse before any work, once three inputs have come."""
        for _ in range(3):
            await anext(call.requests)
        raise MeshError("not here")

    async def fail(self, call: Call) -> None:
        """Fail at work."""
        call.begun = True
        raise MeshError("not now")

    async def crash(self, call: Call) -> None:
        """Fail in a way that nobody named."""
        call.begun = True
        raise RuntimeError("hunter2")

    async def twice(self, call: Call) -> None:
        """Break the rules of a unary call."""
        call.begun = True
        for _ in range(2):
            await call.reply(Payload("x", TEXT))


class Followed:
    """The registry, which is read when the test says so."""

    def __init__(self) -> None:
        self.wanted: list[int] = []  # the revisions that somebody waits for, or has
        self.there = asyncio.Event()

    async def follow(self, revision: int) -> None:
        """Wait until a revision can be read."""
        self.wanted.append(revision)
        await self.there.wait()


@dataclass
class Pair:
    """A link and what serves it."""

    link: Link
    wire: Wire
    script: Script
    arrivals: Arrivals
    opened: list[bool] = field(default_factory=list)
    registry: Followed = field(default_factory=Followed)

    async def carry(self, call: Call, *, seconds: float = PATIENCE) -> None:
        """Take a call there."""
        async with asyncio.timeout(seconds):
            await self.link.ready()
            await self.link.carry(call, THERE, b"sealed")


@asynccontextmanager
async def linked(
    rules: Rules = RULES,
    node: str = "two",
    heirs: Heirs | None = None,
    there: Rules | None = None,
    drains_at: int | None = None,
) -> AsyncIterator[Pair]:
    """A link to a node, until the block ends; `there` are the rules of that one where they are others.

    `drains_at` is the revision at which it drains already.
    """
    opened: list[bool] = []
    registry, wire, script = Followed(), Wire(), Script()
    link = Link("two", "two:1", rules, lambda: opened.append(True), registry.follow)
    arrivals = Arrivals(node, there or replace(rules))
    arrivals.opens(script.run, script.serve, heirs)
    if drains_at is not None:
        await arrivals.drain(drains_at, 0.0)
    peer = Peer(Principal("node", "one"), lambda: "one:1", ("spiffe://a2a.local/node/one",))
    ends = [
        asyncio.create_task(link.run(wire)),
        asyncio.create_task(arrivals.serve(wire.requests(), wire.answers(), peer)),
    ]
    try:
        yield Pair(link, wire, script, arrivals, opened, registry)
    finally:
        for end in ends:
            end.cancel()
        await asyncio.gather(*ends, return_exceptions=True)


class Heard:
    """What a caller heard."""

    def __init__(self) -> None:
        self.payloads: list[Payload] = []
        self.first, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def take(self, payload: Payload) -> None:
        """Hear one, as fast as it may."""
        self.payloads.append(payload)
        self.first.set()
        await self.go_on.wait()

    @property
    def texts(self) -> Sequence[object]:
        """Their bodies."""
        return [payload.body for payload in self.payloads]


def asked(capability: str, heard: Heard, *, text: str = "hello", unary: bool = True, talks: bool = False) -> Call:
    """A call as the outgoing layers hand it to the link."""

    async def nothing(_: Call) -> None:
        """Not used here."""

    return Call(
        method="/m",
        rest=nothing,
        id="the-call",
        agent="echo",
        capability=capability,
        offered=AgentCapability(capability, streams_output=not unary, streams_input=talks),
        unary=unary,
        metadata={"traceparent": "00-1", "baggage": "a=b", "authorization": "Bearer secret"},
        envelope=Envelope(monotonic() + 30, 30),
        requests=Once(Payload(text, TEXT)),
        reply=heard.take,
    )
