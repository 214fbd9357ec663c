"""One Attach stream as the agent has it: from its hello to its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import TypeAlias

import grpc
import structlog

from a2a_node.attach.host import Host, Place
from a2a_node.attach.work import Bounds, Work
from a2a_node.client.sending import write
from a2a_node.model.errors import AgentOverloaded, CapabilityNotFound, MeshError, NodeUnreachable
from a2a_node.wire.awake import Awake
from a2a_node.wire.doubt import Doubt
from a2a_node.wire.errors import to_call_error
from a2a_node.wire.outbox import Outbox, first
from a2a_node.wire.payloads import to_mapping, to_payload
from a2amesh.v1 import agent_host_service_pb2 as pb

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

OUTGOING = 64  # frames that wait to be written
OUTPUT_CREDIT = 16  # where the welcome says nothing
Wire: TypeAlias = "grpc.aio.StreamStreamCall[pb.AttachRequest, pb.AttachResponse]"


@dataclass(frozen=True, slots=True)
class Hears:
    """Who hears what becomes of a stream."""

    welcomed: Callable[[Place], None]
    draining: Callable[[], None] = lambda: None  # the node is about to stop


class Stream:
    """Serves calls over one stream until the node closes it; its calls end with it."""

    def __init__(self, host: Host, wire: Wire, hears: Hears, awake: Awake | None = None) -> None:
        self._host, self._wire, self._hears = host, wire, hears
        self._awake = awake or Awake()
        self._works: dict[str, Work] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._out: Outbox[pb.AttachRequest] = Outbox(OUTGOING, self._tasks)
        self._doubt = Doubt(lambda number: self._out.push(pb.AttachRequest(ping=number)))
        self._config: Mapping[str, object] = {}
        self._output_credit = OUTPUT_CREDIT
        self._payload_limit = host.options.payload_limit
        self._heard = monotonic()
        self._placed = self._left = False

    async def run(self) -> None:
        """Serve until the node has closed the stream; AioRpcError is its status, NodeUnreachable means its silence."""
        self._out.push(self._host.hello())
        try:
            await first(self._read(), self._out.run(self._write, _packed), self._watch(), self._awake.watch())
        finally:
            self._out.close()
            self._wire.cancel()
            await self._end_works()

    def leave(self) -> None:
        """Ask for no more calls; the node closes the stream once those under way have ended."""
        if not self._placed:
            self._wire.cancel()
        elif not self._left:
            self._left = True
            self._out.push(pb.AttachRequest(leave=pb.AttachLeave()))

    async def _end_works(self) -> None:
        for work in self._works.values():
            work.stop()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _read(self) -> None:
        async for frame in self._wire:
            self._heard = monotonic()
            self._doubt.heard()
            if frame.HasField("batch"):
                for one in frame.batch.frames:
                    self._hear(one)
            else:
                self._hear(frame)

    def _hear(self, frame: pb.AttachResponse) -> None:
        kind = frame.WhichOneof("frame")
        if kind == "start":
            self._start(frame.call_id, frame.start)
        elif kind == "ping":
            self._out.push(pb.AttachRequest(pong=frame.ping))
        elif kind == "pong":
            self._doubt.pong(frame.pong)
        elif kind == "welcome":
            self._welcome(frame.welcome)
        elif kind == "config":
            self._config = to_mapping(frame.config.agent_config)
        elif kind == "draining":  # calls under way may still call this agent, so it stays to the end
            log.info("the node is about to stop", agent=self._host.agent.name, address=self._host.address)
            self._hears.draining()
        elif (work := self._works.get(frame.call_id)) is not None:
            _tell(work, kind, frame)

    def _welcome(self, welcome: pb.AttachWelcome) -> None:
        self._placed = True
        self._config = to_mapping(welcome.agent_config)
        self._output_credit = welcome.output_credit or OUTPUT_CREDIT
        self._payload_limit = min(welcome.payload_limit or self._payload_limit, self._payload_limit)
        self._hears.welcomed(Place(welcome.node_id, welcome.instance_id))

    def _start(self, call_id: str, start: pb.AttachStart) -> None:
        try:
            work = self._work(call_id, start)
        except MeshError as failure:
            self._out.push(pb.AttachRequest(call_id=call_id, fail=to_call_error(failure)))
            return
        task = work.begin(self._host.agent, start, partial(self._timely, start))
        self._works[call_id] = work
        self._tasks.add(task)
        task.add_done_callback(lambda done: self._done(call_id, work, done))

    def _work(self, call_id: str, start: pb.AttachStart) -> Work:
        host = self._host
        # Twice as many, because a cancelled call counts no longer for the node and may still be unwinding here.
        if len(self._tasks) >= 2 * host.options.max_calls:
            raise AgentOverloaded(host.agent.name, 0)
        capability = host.capabilities.get(start.capability)
        if capability is None:
            raise CapabilityNotFound(host.agent.name, start.capability, [*host.capabilities])
        bounds = Bounds(self._output_credit, host.options.input_credit, self._payload_limit)
        return Work(host.context(call_id, start, self._config), capability, self._out, bounds)

    async def _timely(self, start: pb.AttachStart) -> None:
        """Wait until the call still stands, for all that can be known here."""
        await self._awake.calm()
        if start.confirms:
            await self._doubt.settled()

    def _done(self, call_id: str, work: Work, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if self._works.get(call_id) is work:
            del self._works[call_id]
        work.ended()

    async def _write(self, frame: pb.AttachRequest) -> None:
        await write(self._wire, frame)

    async def _watch(self) -> None:
        silence = self._host.options.silence
        while True:
            left = self._heard + silence - monotonic()
            if left <= 0:
                raise NodeUnreachable(self._host.address)
            await asyncio.sleep(left)


def _packed(frames: Sequence[pb.AttachRequest]) -> pb.AttachRequest:
    return pb.AttachRequest(batch=pb.AttachRequestBatch(frames=frames))


def _tell(work: Work, kind: str | None, frame: pb.AttachResponse) -> None:
    """Hand a frame to the call that it is about."""
    if kind == "cancel":
        work.stop()
    elif kind == "credit":
        work.allow(frame.credit)
    elif kind == "input":
        work.hear(to_payload(frame.input))
    elif kind == "input_end":
        work.hear(None)
