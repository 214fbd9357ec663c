"""One call that another node has brought: its inputs as they come, its outputs, and exactly one end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, cast

import structlog

from a2a_node.mesh.heirs import Heir, Heirs
from a2a_node.mesh.link import Rules
from a2a_node.mesh.parts import PART_BYTES, parts_of
from a2a_node.mesh.resumable import ended
from a2a_node.model.call import PEERS, Call, CallStatus, Once, Proceed
from a2a_node.model.errors import (
    AgentEnded,
    AgentProtocol,
    InternalError,
    InvalidInput,
    MeshError,
    PayloadTooLarge,
)
from a2a_node.model.payload import Payload
from a2a_node.model.principal import Principal
from a2a_node.model.proxied import PROXIED, Entries, Proxied
from a2a_node.model.streams import Ending
from a2a_node.wire.calls import ENVELOPE
from a2a_node.wire.doubt import Doubt
from a2a_node.wire.errors import to_details
from a2a_node.wire.outbox import Outbox
from a2a_node.wire.passing import from_link, to_link
from a2a_node.wire.payloads import Carried, check_size, from_payload
from a2amesh.v1 import payload_pb2
from a2amesh.v1 import peer_service_pb2 as pb

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
METHOD = "/a2amesh.v1.AgentService/"
PASSED_ON = ("traceparent", "tracestate", "baggage")  # entries of a call's metadata that came with it
SUCCEEDED = Ending(CallStatus.SUCCEEDED)


@dataclass(frozen=True, slots=True)
class Peer:
    """Who has opened a link."""

    node: Principal
    address_of: Callable[[], str]
    identities: Sequence[str]  # what its certificate proves

    def identities_of(self) -> Sequence[str]:
        """The same for every call that it brings."""
        return self.identities


class Bringing(Protocol):
    """The link that a call came on, as far as the call uses it."""

    rules: Rules
    layers: tuple[Proceed, Proceed]  # around every call, and around its agent's work
    peer: Peer
    heirs: Heirs | None  # None on a node that goes
    out: Outbox[pb.LinkResponse]
    doubt: Doubt


class Work:
    """One call at work: its inputs as they come, its outputs as far as credit goes, and exactly one end."""

    def __init__(self, number: int, start: pb.LinkStart, link: Bringing) -> None:
        self._number, self._start, self._link = number, start, link
        self.call_id = start.call_id
        self._credit = None if start.unary else asyncio.Semaphore(start.output_credit or link.rules.credit)
        self._inputs: asyncio.Queue[Payload | MeshError | None] | None = None  # made when it is wanted
        self._output: payload_pb2.Payload | None = None
        self._stopped = False
        self._call: Call | None = None
        self.heir = Heir(start) if start.heir and link.heirs is not None else None
        self.task: asyncio.Task[None] | None = None

    def stop(self) -> None:
        """Nobody waits for the call any more: cancel it, without an answer."""
        self._stopped = True
        if self.task is not None:
            self.task.cancel()

    def part(self) -> None:
        """The task has ended: let go of its call, which is replied to here; the collector would find that ring late."""
        self._call = None

    @property
    def begun(self) -> bool:
        """Whether an agent has begun to work on it, or may have."""
        return self._call is not None and self._call.begun

    def left(self) -> asyncio.Task[None] | None:
        """The link is broken: the task of the call where that goes on without it."""
        heirs, task = self._link.heirs, self.task
        if self.heir is None or self._stopped or self._call is None or task is None:
            return None
        if heirs is None:  # this node is the one that goes
            self.heir.settle()
            return None
        self._allow(1)  # an output that waits for it, which the heir has
        if heirs.take(self.heir, self._call, task):
            return task
        self.heir.settle()
        return None

    def hear(self, kind: str | None, frame: pb.LinkRequest) -> None:
        """Take in a frame; InvalidInput for an input beyond what was allowed."""
        if kind == "cancel":
            self.stop()
        elif kind == "credit":
            self._allow(frame.credit)
            if self.heir is not None:
                self.heir.kept(frame.credit)
        elif kind == "settled" and self.heir is not None:
            self.heir.settle()
        elif kind == "input":
            self._take(self._checked(frame.input))
        elif kind == "input_end":
            self._take(None)

    def refuse(self, failure: MeshError) -> None:
        """Have the call, and nothing else on the link, end with what is wrong with an input of it."""
        self._take(failure)

    async def run(self) -> None:
        """Run the call through the layers; whatever comes of it is said, unless nobody waits."""
        link = self._link
        call = self._call = self._asked()
        try:
            if self._start.confirms:
                await link.doubt.settled()
            await link.layers[0](call)
        except MeshError as failure:
            await self._end(failed(self._number, failure, unstarted=not call.begun), ended(failure))
        except asyncio.CancelledError:
            if not self._stopped:
                link.out.push(failed(self._number, InternalError()))
            raise
        except Exception:
            log.exception("unexpected failure", agent=call.agent, call_id=call.id)
            await self._end(failed(self._number, InternalError()), ended(InternalError()))
        else:
            await self._end(self._succeeded(call), SUCCEEDED)

    def _succeeded(self, call: Call) -> pb.LinkResponse:
        """The frame that says so, filled where it is: a message that is put into another one is copied."""
        frame = pb.LinkResponse(call=self._number)
        frame.end.SetInParent()
        if self._output is not None:
            frame.end.output.CopyFrom(self._output)
        if call.proxied is not None:
            frame.end.trailing.CopyFrom(to_link(call.proxied.trailing))
        return frame

    async def _end(self, frame: pb.LinkResponse, ending: Ending) -> None:
        await self._send(frame)
        if self.heir is not None:
            await self.heir.end(ending)

    def _asked(self) -> Call:
        start, given = self._start, self._start.HasField("input")
        metadata: dict[str, str] = {ENVELOPE: cast("str", start.envelope)}
        for name in PASSED_ON:
            if value := getattr(start, name):
                metadata[name] = value
        return Call(
            method=_method(start),
            rest=self._link.layers[1],
            metadata=metadata,
            peer_of=self._link.peer.address_of,
            identities_of=self._link.peer.identities_of,
            door=PEERS,
            unary=start.unary,
            id=start.call_id,
            agent=start.agent,
            capability=start.capability,
            idempotency_key=start.idempotency_key,
            payload_bytes=start.input.ByteSize() if given else 0,
            requests=Once(Carried(start.input)) if given else self._heard(),
            reply=self._reply,
            wanted=start.instance_id,
            proxied=Proxied(from_link(start.metadata), self._begin) if start.HasField("metadata") else None,
        )

    async def _begin(self, first: Entries) -> None:
        """Send what the agent says first."""
        await self._link.out.put(pb.LinkResponse(call=self._number, metadata=to_link(first)))

    async def _reply(self, payload: Payload) -> None:
        """Send an output; that of a unary call waits for the end, to go in one frame with it."""
        output = from_payload(payload)
        check_size(output, self._link.rules.payload_limit)
        if self.heir is not None and await self.heir.takes(payload):
            return
        if self._credit is not None:
            await self._credit.acquire()
            await self._send(pb.LinkResponse(call=self._number, output=output))
        elif self._output is None:
            self._output = output
        else:
            raise AgentProtocol(self._start.agent, "it answered a unary call twice")

    async def _send(self, frame: pb.LinkResponse) -> None:
        """Send a frame, in parts if it is large and they are read; the call says nothing else until it is sent."""
        size = frame.ByteSize()
        if size <= PART_BYTES or not self._start.reads_parts:
            await self._link.out.put(frame, size)
            return
        for part in parts_of(frame):
            await self._link.out.spread(pb.LinkResponse(call=self._number, part=part))

    def _allow(self, outputs: int) -> None:
        if self._credit is not None:
            for _ in range(outputs):
                self._credit.release()

    def _checked(self, message: payload_pb2.Payload) -> Payload | MeshError:
        try:
            return Carried(message, "input", self._link.rules.payload_limit)
        except (PayloadTooLarge, InvalidInput) as failure:
            return failure

    def _take(self, heard: Payload | MeshError | None) -> None:
        try:
            self._queue().put_nowait(heard)
        except asyncio.QueueFull:
            raise InvalidInput("input", f"more than {self._link.rules.credit} were sent ahead") from None

    def _queue(self) -> asyncio.Queue[Payload | MeshError | None]:
        if self._inputs is None:
            self._inputs = asyncio.Queue(self._link.rules.credit + 1)
        return self._inputs

    async def _heard(self) -> AsyncGenerator[Payload, None]:
        """The inputs as they come; once half of those allowed have been taken, as many more are."""
        taken = 0
        while (heard := await self._queue().get()) is not None:
            if isinstance(heard, MeshError):
                raise heard
            yield heard
            taken += 1
            if 2 * taken >= self._link.rules.credit:
                await self._link.out.put(pb.LinkResponse(call=self._number, credit=taken))
                taken = 0


def _method(start: pb.LinkStart) -> str:
    if start.HasField("metadata"):
        return PROXIED
    return METHOD + ("Invoke" if start.unary else "InvokeStream" if start.HasField("input") else "Converse")


def failed(number: int, failure: MeshError, *, unstarted: bool = False) -> pb.LinkResponse:
    """The frame that ends a call with a failure."""
    fail = pb.LinkFail(code=failure.code, message=failure.message, details=to_details(failure), unstarted=unstarted)
    if isinstance(failure, AgentEnded):
        fail.trailing.CopyFrom(to_link(failure.trailing))
    return pb.LinkResponse(call=number, fail=fail)
