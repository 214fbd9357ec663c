"""The stream of one attached agent: takes calls to it, and ends them all when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic

import structlog

from a2a_node.mesh.background import background
from a2a_node.mesh.flight import Flight
from a2a_node.mesh.guest import Guest
from a2a_node.mesh.lingering import Lingering, Remains
from a2a_node.mesh.pulse import Pulse, Sign
from a2a_node.mesh.slots import Slots
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentLost, AgentProtocol, CallIdTaken, InvalidInput, MeshError, NoInstance
from a2a_node.model.payload import EMPTY, Payload
from a2a_node.tracing.context import carried_by
from a2a_node.wire.agents import duration
from a2a_node.wire.awake import Awake
from a2a_node.wire.outbox import Outbox, first
from a2a_node.wire.payloads import check_size, from_mapping, from_payload, to_payload
from a2amesh.v1 import agent_host_service_pb2 as pb
from a2amesh.v1 import payload_pb2

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

OF_CALLS = ("end", "output", "fail", "credit", "used")
CANCELLED_KEPT = 1024  # cancelled calls that the agent has not ended, or as many as it works on at a time
OUTGOING = 64  # frames that wait to be written
Write = Callable[[pb.AttachResponse], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Rules:
    """How streams are kept; spans in seconds."""

    payload_limit: int = 16 * 1024 * 1024  # bytes
    output_credit: int = 16  # outputs of a call that an agent may send ahead
    silence: float = 10.0  # without a frame until the agent is asked whether it lives, and again until it is lost
    streams: int = 10_000  # agents attached at a time


class AttachStream:
    """Carries calls from `begin` on, until the agent leaves or is lost; `run` reads and writes the frames."""

    def __init__(
        self, guest: Guest, rules: Rules, on_gone: Callable[[str], None], awake: Awake, lingering: Lingering
    ) -> None:
        """`on_gone` hears, once, that the instance takes no more calls; `lingering`, of work that outlives its call."""
        self.guest = guest
        self._rules = rules
        self._lingering = lingering
        self._on_gone = on_gone
        self._awake = awake
        self._asked = 0  # the number of a ping that is not answered yet
        self._flights: dict[str, Flight] = {}
        self._cancelled: dict[str, Remains] = {}  # by the ids of the calls, the oldest first
        self._slots = Slots(guest.agent.name, guest.max_calls)
        self._out: Outbox[pb.AttachResponse] = Outbox(OUTGOING, self._flights)
        self._pulse = Pulse(rules.silence, monotonic())
        self._stray_told = self._leaving = self._gone = self._over = False
        self._verdict: MeshError | None = None
        self._config: Mapping[str, object] = {}  # as the agent knows it
        self.open = False

    @property
    def in_flight(self) -> int:
        """How many calls are under way or wait for their turn."""
        return self._slots.taken + self._slots.waiting

    @property
    def occupancy(self) -> float:
        """Its calls as a part of those that it takes at a time; above 1 while some wait for their turn."""
        return self.in_flight / self.guest.max_calls

    def begin(self, config: Mapping[str, object]) -> None:
        """Take calls from now on; their frames wait for `run`. `config`: what the welcome says."""
        self._config = config
        self.open = True

    def drain(self) -> None:
        """Tell the agent that the node is about to stop."""
        self._out.push(pb.AttachResponse(draining=pb.AttachDraining()))

    def evict(self, failure: MeshError) -> None:
        """Take no more calls; the stream ends with that failure soon."""
        self._verdict = failure
        self._close()

    def lose(self) -> None:
        """The stream is over: every call fails at once, nothing more is written, and no work is known to have ended."""
        self._over = True
        self._close()
        for flight in self._flights.values():
            flight.abort(self._lost())
        while self._cancelled:
            self._settle(next(iter(self._cancelled)), over=False)
        self._out.drop()

    async def run(self, requests: AsyncIterator[pb.AttachRequest], write: Write) -> None:
        """Take calls until the agent has left or closed the stream; InvalidInput for frames that make no sense.

        AgentLost when the agent no longer answers; or what it was evicted with.
        """
        pack = packed if self.guest.reads_batches else None
        await first(self._read(requests), self._out.run(partial(self._write, write), pack), self._watch())

    def configure(self, config: Mapping[str, object]) -> None:
        """Tell the agent its config, where it knows another one, before whatever calls start from now on."""
        if config is not self._config:
            changed, self._config = config != self._config, config
            if changed:
                self._out.push(pb.AttachResponse(config=pb.AttachConfig(agent_config=from_mapping(config))))

    async def carry(self, call: Call) -> None:
        """Take a call to the agent and its outputs back; AgentOverloaded, AgentLost, AgentProtocol, PayloadTooLarge."""
        await self._slots.take()
        try:
            flight = self._begun(call)
            try:
                await self._fly(call, flight)
            finally:
                self._ended(call, flight)
        finally:
            self._slots.give()

    async def _fly(self, call: Call, flight: Flight) -> None:
        streams_input = call.offered is not None and call.offered.streams_input
        message = None if streams_input else self._input(await anext(call.requests, EMPTY))
        await self._out.put(started(call, message))
        flight.begun = call.begun = True
        if streams_input:
            async with background(partial(self._feed, call, flight)):
                await self._receive(call, flight)
        else:
            await self._receive(call, flight)

    async def _feed(self, call: Call, flight: Flight) -> None:
        async for payload in call.requests:
            await flight.allowed()
            await self._out.put(pb.AttachResponse(call_id=call.id, input=self._input(payload)))
        await self._out.put(pb.AttachResponse(call_id=call.id, input_end=pb.AttachInputEnd()))

    async def _receive(self, call: Call, flight: Flight) -> None:
        while (output := await flight.next()) is not None:
            await call.reply(self._payload(output))
            if more := flight.taken():
                await self._out.put(pb.AttachResponse(call_id=call.id, credit=more))

    def _input(self, payload: Payload) -> payload_pb2.Payload:
        message = from_payload(payload)
        check_size(message, self.guest.payload_limit)
        return message

    def _payload(self, output: payload_pb2.Payload) -> Payload:
        try:
            return to_payload(output, "output", self._rules.payload_limit)
        except InvalidInput as fault:
            raise AgentProtocol(self.guest.agent.name, str(fault)) from None

    def _begun(self, call: Call) -> Flight:
        if not self.open:  # it was closed while the call's turn came
            raise NoInstance(self.guest.agent.name)
        if call.id in self._flights or call.id in self._cancelled:
            raise CallIdTaken(call.id)
        streams = call.offered is not None and call.offered.streams_output
        ahead, inputs = self._rules.output_credit, self.guest.input_credit
        flight = Flight(self.guest.agent.name, call.spending, streams=streams, ahead=ahead, inputs=inputs)
        self._flights[call.id] = flight
        return flight

    def _ended(self, call: Call, flight: Flight) -> None:
        del self._flights[call.id]
        if flight.begun and not flight.finished:
            self._cancel(call)
        if self._leaving and not self._flights:
            self._out.close()

    def _cancel(self, call: Call) -> None:
        """Tell the agent to stop, and remember that it was told: what it sends is no fault, and its end is news."""
        late = call.envelope is not None and not call.envelope.time_left(monotonic())
        reason = "its deadline has passed" if late else "nobody waits for it any more"
        self._out.push(pb.AttachResponse(call_id=call.id, cancel=pb.AttachCancel(reason=reason)))
        self._cancelled[call.id] = self._lingering.add(call, self.guest.instance)
        if self._over:
            self._settle(call.id, over=False)
        elif len(self._cancelled) > max(CANCELLED_KEPT, self.guest.max_calls):
            self._settle(next(iter(self._cancelled)), over=False)

    def _settle(self, call_id: str, *, over: bool) -> None:
        """The agent has ended a cancelled call, or will never say so."""
        self._lingering.settle(self._cancelled.pop(call_id), over=over)

    async def _read(self, requests: AsyncIterator[pb.AttachRequest]) -> None:
        async for frame in requests:
            self._pulse.heard(monotonic())
            kind = frame.WhichOneof("frame")
            if kind == "batch":
                for one in frame.batch.frames:
                    self._hear(one.WhichOneof("frame"), one)
            else:
                self._hear(kind, frame)
            if self._asked:
                await self._awake.calm()  # so that the ends of calls that are over are said before
                self._out.push(pb.AttachResponse(pong=self._asked))
                self._asked = 0

    def _hear(self, kind: str | None, frame: pb.AttachRequest) -> None:
        if kind in OF_CALLS:
            flight = self._flights.get(frame.call_id)
            if flight is not None:
                flight.hear(kind, frame)
            else:
                self._stray(frame.call_id, kind)
        elif kind == "ping":
            self._asked = frame.ping
        elif kind == "leave":
            self._leave()
        elif kind == "hello":
            raise InvalidInput("hello", "is the first frame and never a later one")
        elif kind != "pong":
            raise InvalidInput("frame", "is empty, or of a kind that this node does not know in this place")

    def _stray(self, call_id: str, kind: str) -> None:
        """Let a frame pass whose call is not under way; it may have crossed a `cancel`, or be a fault of the agent."""
        if call_id in self._cancelled:
            if kind in ("end", "fail"):
                self._settle(call_id, over=True)
            return
        if not self._stray_told:  # once for each stream: an agent may do it with every call
            self._stray_told = True
            log.warning(
                "agent sends frames of a call that has ended or never was; they mean nothing",
                agent=self.guest.agent.name,
                instance=self.guest.instance.id,
                call=call_id[:80],
                frame=kind,
            )

    def _leave(self) -> None:
        if not self._leaving:
            self._leaving = True
            self._close()
            if not self._flights:
                self._out.close()

    def _close(self) -> None:
        self.open = False
        self._slots.close(lambda: NoInstance(self.guest.agent.name))
        if not self._gone:
            self._gone = True
            self._on_gone(self.guest.instance.id)

    def _lost(self) -> AgentLost:
        return AgentLost(self.guest.agent.name, self.guest.instance.id)

    async def _write(self, write: Write, frame: pb.AttachResponse) -> None:
        await write(frame)
        self._pulse.written(monotonic())

    async def _watch(self) -> None:
        number = 0
        while True:
            await asyncio.sleep(self._rules.silence / 4)
            if self._verdict is not None:
                raise self._verdict
            sign = self._pulse.look(monotonic(), len(self._out))
            if sign is Sign.LOST:
                raise self._lost()
            if sign is Sign.PING:
                number += 1
                self._out.push(pb.AttachResponse(ping=number))


def packed(frames: Sequence[pb.AttachResponse]) -> pb.AttachResponse:
    """Several frames as one."""
    return pb.AttachResponse(batch=pb.AttachResponseBatch(frames=frames))


def started(call: Call, message: payload_pb2.Payload | None) -> pb.AttachResponse:
    """The frame that begins a call, with its input unless the inputs follow."""
    envelope = call.envelope
    return pb.AttachResponse(
        call_id=call.id,
        start=pb.AttachStart(
            capability=call.capability,
            input=message,
            time_left=None if envelope is None else duration(envelope.time_left(monotonic())),
            call_token=call.token,
            path=() if envelope is None else envelope.path,
            budget=None if call.spending is None else call.spending.left(),
            confirms=bool(call.idempotency_key),
            **dict(carried_by(call)),
        ),
    )
