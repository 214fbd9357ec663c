"""One link of another node: what it says goes to the calls that it brings, and what those say goes out on it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from a2a_node.mesh.broken import Remains, Told
from a2a_node.mesh.heirs import Heirs
from a2a_node.mesh.link import FEW, LINGER, OUTGOING, Rules
from a2a_node.mesh.parts import Parts
from a2a_node.mesh.work import Peer, Work, failed
from a2a_node.model.call import Proceed
from a2a_node.model.errors import (
    AgentOverloaded,
    InvalidInput,
    MeshError,
    NodeLost,
    NodeUnreachable,
    PayloadTooLarge,
)
from a2a_node.model.names import fresh_uuid
from a2a_node.wire.doubt import Doubt
from a2a_node.wire.outbox import Outbox, first
from a2amesh.v1 import peer_service_pb2 as pb

STOPPING = 0.05  # seconds that calls of a broken link get to stop before their node is told of them
LOOKS = 4  # at a link without a sign before its node is taken for lost: a pause of this process counts as one look
Stop = Callable[[str, MeshError], bool]


class Frames(Protocol):
    """What another node says on a link."""

    async def each(self, take: Callable[[pb.LinkRequest], None]) -> None:
        """Call `take` with every frame as it comes, until the node closes the link; what that raises ends it."""


class Write(Protocol):
    """Says something on a link."""

    async def __call__(self, frame: pb.LinkResponse, /) -> None:
        """Say it; returns once it is said."""

    def begin(self, frame: pb.LinkResponse, /) -> asyncio.Future[bool] | None:
        """Begin to say it, while nothing else is being said; None on a broken stream."""


class Arriving:
    """One link of another node, and the calls that it has brought."""

    def __init__(
        self, rules: Rules, layers: tuple[Proceed, Proceed], peer: Peer, ends: tuple[Heirs | None, Stop]
    ) -> None:
        self.rules, self.layers, self.peer = rules, layers, peer
        self.id, self.remains = fresh_uuid(), Remains(peer.node)
        self.heirs, self._stop = ends
        self._unheard = 0  # looks since the last frame
        self._works: dict[int, Work] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._parts = Parts(pb.LinkRequest, rules.payload_limit, rules.calls)
        self.out: Outbox[pb.LinkResponse] = Outbox(OUTGOING, self._tasks, linger=LINGER, few=FEW)
        self.drained = asyncio.Event()  # it brings no more calls
        self._broken, self._parted = asyncio.Event(), asyncio.Event()  # for its node; and for its calls
        self.doubt = Doubt(lambda number: self.out.push(pb.LinkResponse(ping=number)))

    def load(self) -> int:
        """How many of its calls are under way."""
        return len(self._works)

    def welcome(self, node_id: str) -> None:
        """Say who takes the calls."""
        welcome = pb.LinkWelcome(node_id=node_id, input_credit=self.rules.credit, reads_parts=True, link_id=self.id)
        self.out.push(pb.LinkResponse(welcome=welcome))

    def drain(self, revision: int) -> None:
        """Ask for no more calls, as of a revision of the registry; `drained` tells when none follow."""
        self.out.push(pb.LinkResponse(draining=pb.LinkDraining(revision=revision)))

    async def run(self, requests: Frames, write: Write) -> None:
        """Read and write until the other node closes the stream, or NodeUnreachable."""
        try:
            await first(
                requests.each(self._take), self.out.run(write, packed, write.begin), self._watch(), self._break()
            )
        finally:
            self.drained.set()
            self.out.drop()
            await self._end_works()

    async def told(self, calls: Sequence[int]) -> Told:
        """End the link, which is broken for the node that has dialled it; what becomes of these calls."""
        self._broken.set()
        await self._parted.wait()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=STOPPING)  # so that whoever begins them again does not meet them
        return self.remains.told(calls)

    async def _break(self) -> None:
        await self._broken.wait()
        raise NodeUnreachable(self.peer.address_of())

    async def _end_works(self) -> None:
        for number, work in [*self._works.items()]:
            if (task := work.left()) is not None:
                self._tasks.discard(task)
                self.remains.continued.add(number)
                continue
            if not work.begun:
                self.remains.begun.drop(number)
            if not self._stop(work.call_id, NodeLost(work.call_id)):
                work.stop()
        self._parted.set()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _watch(self) -> None:
        """See whether a node still lives whose streams are gone on with here; NodeUnreachable when it gives no sign."""
        while True:
            await asyncio.sleep(self.rules.absence / LOOKS)
            self._unheard += 1
            if self._unheard > LOOKS and any(work.heir is not None for work in self._works.values()):
                raise NodeUnreachable(self.peer.address_of())

    def _take(self, frame: pb.LinkRequest) -> None:
        self.doubt.heard()
        self._unheard = 0
        kind = frame.WhichOneof("frame")
        if kind == "batch":
            for one in frame.batch.frames:
                self._hear(one.WhichOneof("frame"), one)
        else:
            self._hear(kind, frame)

    def _hear(self, kind: str | None, frame: pb.LinkRequest) -> None:
        if kind == "start":
            self._start(frame.call, frame.start)
        elif kind == "ping":
            self.out.push(pb.LinkResponse(pong=frame.ping))
        elif kind == "pong":
            self.doubt.pong(frame.pong)
        elif kind == "part":
            self._add(frame.call, frame.part)
        elif kind == "drained":
            self.drained.set()
        else:
            if kind == "cancel":
                self._parts.drop(frame.call)
            if (work := self._works.get(frame.call)) is not None:
                work.hear(kind, frame)

    def _add(self, number: int, part: pb.LinkPart) -> None:
        try:
            whole = self._parts.add(number, part)
        except PayloadTooLarge as failure:
            if (work := self._works.get(number)) is not None:
                work.refuse(failure)
            else:
                self.out.push(failed(number, failure, unstarted=True))
        else:
            if whole is not None:
                self._hear(whole.WhichOneof("frame"), whole)

    def _start(self, number: int, start: pb.LinkStart) -> None:
        if number in self._works:
            raise InvalidInput("call", f"{number} is under way already")
        if len(self._tasks) >= self.rules.calls:
            self.out.push(failed(number, AgentOverloaded(start.agent, 0), unstarted=True))
            return
        self.remains.begun.add(number)
        work = self._works[number] = Work(number, start, self)
        work.task = asyncio.create_task(work.run())
        self._tasks.add(work.task)
        work.task.add_done_callback(lambda task: self._done(number, task))

    def _done(self, number: int, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._parts.drop(number)
        work = self._works.pop(number)
        if not work.begun:
            self.remains.begun.drop(number)
        work.part()


def packed(frames: Sequence[pb.LinkResponse]) -> pb.LinkResponse:
    """Several frames as one."""
    together = pb.LinkResponse()
    together.batch.frames.extend(frames)  # made of a list they would be copied twice
    return together
