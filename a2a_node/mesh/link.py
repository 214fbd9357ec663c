"""A link to another node: one stream that takes many calls there, and ends them all when it breaks.

Frames of several calls travel as one message while many calls are under way, for most of a small frame's cost is its
message's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import Protocol

import structlog

from a2a_node.mesh.background import background
from a2a_node.mesh.flight import Flight
from a2a_node.mesh.inputs import Inputs
from a2a_node.mesh.parts import PART_BYTES, Parts, parts_of
from a2a_node.mesh.pulse import Pulse, Sign
from a2a_node.model.agents import Instance
from a2a_node.model.call import Call, Keeping
from a2a_node.model.errors import AgentLost, NodeUnreachable, PayloadTooLarge
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import EMPTY
from a2a_node.tracing.context import carried_by
from a2a_node.wire.awake import Awake
from a2a_node.wire.outbox import Outbox, first
from a2a_node.wire.passing import from_fail, from_link, to_link
from a2a_node.wire.payloads import Carried, passed_on
from a2amesh.v1 import peer_service_pb2 as pb

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
OUTGOING = 64  # frames that wait to be written
LINGER = 0.0  # a turn of the loop: what comes in together goes out together, and nobody waits for a clock
FEW = 4  # frames of a message: in larger ones all calls travel together, and one node idles while the other works


@dataclass(frozen=True, slots=True)
class Rules:
    """How links are kept; spans in seconds."""

    payload_limit: int = 16 * 1024 * 1024  # bytes
    credit: int = 16  # outputs, and inputs, of a call that may be sent ahead
    silence: float = 2.0  # without a frame until the node is asked whether it lives, and again until it is lost
    patience: float = 2.0  # until a node that is dialled has to answer
    idle: float = 300.0  # without a call until a link is closed
    calls: int = 10_000  # at a time that a node takes over one link
    absence: float = 9.0  # without a sign of a node until others go on with its streams; it gives some in every quarter


DEFAULT = Rules()
Follow = Callable[[int], Awaitable[None]]


class Wire(Protocol):
    """The stream itself."""

    async def each(self, take: Callable[[pb.LinkResponse], None]) -> None:
        """Call `take` with every frame as it comes, until the other node closes the stream; what that raises ends it.

        NodeUnreachable when the stream broke.
        """

    async def write(self, frame: pb.LinkRequest) -> None:
        """Say something; nothing happens on a broken stream, which whoever reads it hears of."""

    def begin(self, frame: pb.LinkRequest) -> asyncio.Future[bool] | None:
        """Begin to say it, while nothing else is being said; None on a broken stream."""


class Link:
    """Takes calls to one node from its welcome on, until the stream breaks; `run` reads and writes the frames."""

    def __init__(self, node_id: str, address: str, rules: Rules, on_open: Callable[[], None], follow: Follow) -> None:
        """`on_open` hears that the node has answered; `follow` reads the registry up to a revision, where it can."""
        self.node_id, self.address = node_id, address
        self._on_open, self._follow = on_open, follow
        self._rules = rules
        self._flights: dict[int, tuple[Flight, Instance]] = {}
        self._number = 0
        self._inputs = 0  # of a call, that the node takes ahead
        self._reads_parts = False
        self._parts = Parts(pb.LinkResponse, rules.payload_limit, rules.calls)
        self._out: Outbox[pb.LinkRequest] = Outbox(OUTGOING, self._flights, linger=LINGER, few=FEW)
        self._pulse = Pulse(rules.silence, monotonic())
        self._awake = Awake()
        self._settled = asyncio.Event()  # welcomed, or over
        self._asked = 0  # the number of a ping that is not answered yet
        self.id = ""  # as the node knows it; empty for one that cannot say what becomes of its calls
        self.cut_off: Sequence[int] = ()  # the numbers of the calls that were under way when it broke
        self.open = self.over = False
        self.leaving = False  # the node is about to stop, and gets no more calls
        self.silent = False  # it is over, for the node has said nothing for too long
        self.opened_at: float | None = None
        self._left_at = 0  # the revision of the registry in which its agents are elsewhere
        self._leaves = asyncio.Event()  # the node has asked for no more calls
        self.used_at = self._wrote_at = monotonic()

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return len(self._flights)

    async def run(self, wire: Wire) -> None:
        """Read and write until the stream breaks or the node no longer answers; NodeUnreachable says so."""
        try:
            await first(
                self._read(wire),
                self._out.run(partial(self._write, wire), packed, partial(self._begin, wire)),
                self._watch(),
                self._awake.watch(),
                self._part(),
            )
        finally:
            self.lose()

    def lose(self) -> None:
        """The link is over: every call on it fails at once, and nothing more is written."""
        if not self.over:
            self.cut_off = tuple(self._flights)
        self.open, self.over = False, True
        self._settled.set()
        for flight, instance in self._flights.values():
            flight.abort(AgentLost(instance.agent, instance.id))
        self._out.drop()

    async def ready(self) -> None:
        """Wait until calls may begin; NodeUnreachable when the node does not answer."""
        if not self.open:
            await self._settled.wait()
        if self.over:
            raise NodeUnreachable(self.address)

    async def carry(self, call: Call, instance: Instance, envelope: bytes) -> None:
        """Take a call there and its outputs back; AgentLost when the link breaks, any other failure as it was named."""
        flight = Flight(call.agent, None, streams=not call.unary, ahead=self._rules.credit, inputs=self._inputs)
        self._number += 1
        number = self._number
        self._flights[number] = (flight, instance)
        keeping = call.keeping
        try:
            frame = pb.LinkRequest(call=number)
            begin(frame.start, call, instance, envelope, self._rules.credit)
            await self._fly(call, number, flight, frame)
        finally:
            call.cut = number if self.over and not flight.finished else 0
            if keeping is not None and not flight.finished and not call.cut:
                keeping.leave()
            del self._flights[number]
            self._parts.drop(number)
            self.used_at = monotonic()
            works = call.begun and not (flight.unstarted and unbegun(call))
            if works and not flight.finished and not (keeping is not None and keeping.given):
                self._out.push(pb.LinkRequest(call=number, cancel=pb.LinkCancel()))

    async def _fly(self, call: Call, number: int, flight: Flight, frame: pb.LinkRequest) -> None:
        streams_input = call.offered is not None and call.offered.streams_input
        if not streams_input:
            frame.start.input.CopyFrom(passed_on(await anext(call.requests, EMPTY)))
            if call.keeping is not None:
                self._leave_to(call.keeping, number, flight, frame.start)
        await self._send(frame)
        call.begun = True
        if streams_input:
            inputs = call.requests = call.requests if isinstance(call.requests, Inputs) else Inputs(call.requests)
            async with background(partial(self._feed, inputs, number, flight)):
                await self._receive(call, number, flight)
        else:
            await self._receive(call, number, flight)

    def _leave_to(self, keeping: Keeping, number: int, flight: Flight, start: pb.LinkStart) -> None:
        """Have the other node go on with the stream of a call when this one is lost."""
        start.writer, start.heir = keeping.writer, fresh_uuid()
        flight.keeps = True

        def kept(outputs: int) -> None:
            if more := sum(flight.taken() for _ in range(outputs)):
                self._out.push(pb.LinkRequest(call=number, credit=more))

        settled = pb.LinkRequest(call=number, settled=pb.LinkSettled())
        keeping.begin(start.heir, kept, lambda: self._out.push(settled))

    async def _send(self, frame: pb.LinkRequest) -> None:
        """Send a frame of a call, in parts if it is large; the call says nothing else until it is sent."""
        size = frame.ByteSize()
        if size <= PART_BYTES or not self._reads_parts:
            await self._out.put(frame, size)
            return
        try:
            for part in parts_of(frame):
                await self._out.spread(pb.LinkRequest(call=frame.call, part=part))
        except asyncio.CancelledError:
            self._out.push(pb.LinkRequest(call=frame.call, cancel=pb.LinkCancel()))  # nobody waits for the rest of it
            raise

    async def _feed(self, inputs: Inputs, number: int, flight: Flight) -> None:
        async for payload in inputs:
            await flight.allowed()
            await self._send(pb.LinkRequest(call=number, input=passed_on(payload)))
        await self._out.put(pb.LinkRequest(call=number, input_end=pb.LinkInputEnd()))

    async def _receive(self, call: Call, number: int, flight: Flight) -> None:
        if call.proxied is not None and (first := await flight.headed()) is not None:
            _worked_on(call)
            await call.proxied.begin(from_link(first))
        while (output := await flight.next()) is not None:
            _worked_on(call)
            await call.reply(Carried(output, "output", self._rules.payload_limit))
            if not flight.keeps and (more := flight.taken()):
                await self._out.put(pb.LinkRequest(call=number, credit=more))
        if call.proxied is not None and flight.last is not None:
            call.proxied.trailing = from_link(flight.last)

    async def _read(self, wire: Wire) -> None:
        await wire.each(self._take)
        raise NodeUnreachable(self.address)

    def _take(self, frame: pb.LinkResponse) -> None:
        self._pulse.heard(monotonic())
        kind = frame.WhichOneof("frame")
        if kind == "batch":
            for one in frame.batch.frames:
                self._hear(one.WhichOneof("frame"), one)
        else:
            self._hear(kind, frame)
        if self._asked:
            self._answer()

    def _answer(self) -> None:
        """Answer a ping, after the ends of calls that are over: where the node stood still, those are said first."""
        if (seconds := self._awake.look()) > 0:
            asyncio.get_running_loop().call_later(seconds, self._answer)
        elif self._asked:
            self._out.push(pb.LinkRequest(pong=self._asked))
            self._asked = 0

    def _hear(self, kind: str | None, frame: pb.LinkResponse) -> None:
        if kind == "welcome":
            self._welcome(frame.welcome)
        elif kind == "draining":
            self._left_at = frame.draining.revision
            self._leaves.set()
        elif kind == "ping":
            self._asked = frame.ping
        elif frame.call in self._flights:  # else the call was cancelled while the frame was on its way
            flight, _ = self._flights[frame.call]
            if kind == "part":
                self._add(flight, frame)
            else:
                _tell(flight, kind, frame)

    def _add(self, flight: Flight, frame: pb.LinkResponse) -> None:
        try:
            whole = self._parts.add(frame.call, frame.part)
        except PayloadTooLarge as failure:
            flight.abort(failure)
        else:
            if whole is not None:
                _tell(flight, whole.WhichOneof("frame"), whole)

    def _welcome(self, welcome: pb.LinkWelcome) -> None:
        if welcome.node_id != self.node_id:
            log.warning("another node answers", wanted=self.node_id, answers=welcome.node_id, address=self.address)
            raise NodeUnreachable(self.address)
        self._inputs, self._reads_parts, self.id = welcome.input_credit, welcome.reads_parts, welcome.link_id
        self.open, self.opened_at = True, monotonic()
        self._settled.set()
        self._on_open()

    async def _part(self) -> None:
        """Take no more calls to a node that asks for that, once it is known where its agents have gone, for ever."""
        while True:
            await self._leaves.wait()
            self._leaves.clear()
            await self._follow(self._left_at)
            self.leaving = True
            self._out.push(pb.LinkRequest(drained=pb.LinkDrained()))

    async def _write(self, wire: Wire, frame: pb.LinkRequest) -> None:
        await self._awake.calm()  # what waited here while the node stood still may be over, and its end follows it
        await wire.write(frame)
        self._wrote()

    def _begin(self, wire: Wire, frame: pb.LinkRequest) -> asyncio.Future[bool] | None:
        if self._awake.look() > 0:
            return None
        self._wrote()
        return wire.begin(frame)

    def _wrote(self) -> None:
        self._wrote_at = monotonic()
        self._pulse.written(self._wrote_at)

    async def _watch(self) -> None:
        number = 0
        dialled = monotonic()
        while True:
            await asyncio.sleep(min(self._rules.silence, self._rules.absence) / 4)
            now = monotonic()
            if not self.open:
                if now - dialled >= self._rules.patience:
                    raise NodeUnreachable(self.address)
                continue
            sign = self._pulse.look(now, len(self._out))
            if sign is Sign.LOST:
                self.silent = True
                raise NodeUnreachable(self.address)
            if sign is Sign.PING or (self._flights and now - self._wrote_at >= self._rules.absence / 4):
                number += 1
                self._out.push(pb.LinkRequest(ping=number))


def _worked_on(call: Call) -> None:
    """Keep no inputs of a call that somebody has begun to work on."""
    if isinstance(call.requests, Inputs):
        call.requests.let_go()


def unbegun(call: Call) -> bool:
    """Note that nobody has begun to work on a call; False where its inputs cannot be said again from the first one."""
    if isinstance(call.requests, Inputs) and not call.requests.rewind():
        return False
    call.begun = False
    return True


def _tell(flight: Flight, kind: str | None, frame: pb.LinkResponse) -> None:
    """Tell a call what the other node says of it."""
    if kind == "end":
        flight.last = frame.end.trailing
        flight.end(frame.end)
    elif kind == "output":
        flight.add(frame.output)
    elif kind == "fail":
        flight.unstarted = frame.fail.unstarted
        flight.finish(from_fail(frame.fail))
    elif kind == "metadata":
        flight.head(frame.metadata)
    elif kind == "credit":
        flight.allow(frame.credit)


def packed(frames: Sequence[pb.LinkRequest]) -> pb.LinkRequest:
    """Several frames as one."""
    together = pb.LinkRequest()
    together.batch.frames.extend(frames)  # made of a list they would be copied twice
    return together


def begin(start: pb.LinkStart, call: Call, instance: Instance, envelope: bytes, credit: int) -> None:
    """Say what begins a call, without its input, in its frame: a message that is put into another one is copied."""
    start.call_id, start.agent, start.capability = call.id, call.agent, call.capability
    start.instance_id, start.envelope = instance.id, envelope
    start.unary, start.output_credit, start.reads_parts = call.unary, credit, True
    if call.idempotency_key:
        start.idempotency_key, start.confirms = call.idempotency_key, True
    if call.proxied is not None:
        start.metadata.CopyFrom(to_link(call.proxied.said))
    for name, value in carried_by(call):
        setattr(start, name, value)
