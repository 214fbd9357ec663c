"""Streams that this node goes on with when the node is lost that keeps them, while their agents work here.

The other node is their writer as long as it lives. What it has not said to be kept is remembered here, so that nothing
is missing when its place is taken; the store lets one of both write, so that nothing is kept twice.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from time import monotonic
from typing import Self

import structlog

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.stream import Stream
from a2a_node.mesh.writers import Writers
from a2a_node.model.call import Call
from a2a_node.model.errors import NodeLost, StoreUnavailable
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import Payload
from a2a_node.model.stream_ports import Streams
from a2a_node.model.streams import Claim, Ending
from a2amesh.v1 import peer_service_pb2 as pb

MOST = 1000  # streams that are gone on with at a time; beyond that they end with the node that kept them
TRIES = 30  # claims in a lease, while the store is away

log = structlog.get_logger()


class Heir:
    """One call that came over a link: its latest outputs, until the other node has kept them."""

    def __init__(self, start: pb.LinkStart) -> None:
        self.call_id, self._writer, self._name = start.call_id, start.writer, start.heir
        self._unkept: deque[Payload] = deque()
        self._said = 0
        self._stream: Stream | None = None
        self._alone = False  # the other node is lost
        self._over, self._decided = asyncio.Event(), asyncio.Event()

    def kept(self, outputs: int) -> None:
        """The other node has kept so many more."""
        for _ in range(min(outputs, len(self._unkept))):
            self._unkept.popleft()

    def settle(self) -> None:
        """All is kept, the end too, or not wanted."""
        self._over.set()

    def leave(self) -> None:
        """The other node is lost."""
        self._alone = True
        self._over.set()

    def refuse(self) -> None:
        """The stream is somebody else's: what follows is nobody's."""
        self._decided.set()

    async def takes(self, payload: Payload) -> bool:
        """Remember an output; True when it needs not be sent, because this node goes on with the stream."""
        if not self._alone:
            self._unkept.append(payload)
            self._said += 1
            return False
        await self._decided.wait()
        if self._stream is not None:
            await self._stream.say(payload)
        return True

    async def end(self, ending: Ending) -> None:
        """The call has ended so; waits until that is kept, by whichever node."""
        await self._over.wait()
        if self._alone:
            await self._decided.wait()
            if self._stream is not None:
                await self._stream.end(ending)

    def claim(self) -> Claim:
        """What is said to the store to take the stream over."""
        first = self._said - len(self._unkept) + 1
        return Claim(self.call_id, self._writer, self._name, fresh_uuid(), first, self._said)

    def goes_on(self, claim: Claim, last: int, writers: Writers) -> Stream:
        """The stream is this node's, and so much of it was kept before."""
        self.kept(last - claim.first + 1)
        self._stream = writers.inherit(claim.id, claim.successor, last, self._unkept)
        self._decided.set()
        return self._stream


class Heirs:
    """Takes over what lost nodes have kept; made by `waiting`."""

    def __init__(self, streams: Streams, writers: Writers, calls: Calls, lease: float, most: int = MOST) -> None:
        self._streams, self._writers, self._calls = streams, writers, calls
        self._lease, self._most = lease, most
        self._works: dict[asyncio.Task[None], str] = {}
        self._claims: set[asyncio.Task[None]] = set()

    @classmethod
    @asynccontextmanager
    async def waiting(cls, streams: Streams, writers: Writers, calls: Calls, lease: float) -> AsyncIterator[Self]:
        """Take over until the block ends, and the calls with it."""
        heirs = cls(streams, writers, calls, lease)
        try:
            yield heirs
        finally:
            await heirs.end()

    def __len__(self) -> int:
        """How many calls go on here whose node was lost."""
        return len(self._works)

    def take(self, heir: Heir, call: Call, work: asyncio.Task[None]) -> bool:
        """Go on with a call, if the store agrees; False when there are too many. From now on its task is ended here."""
        if len(self._works) >= self._most:
            return False
        heir.leave()
        self._works[work] = call.id
        work.add_done_callback(self._ended)
        claim = asyncio.create_task(self._claim(heir, call, work))
        self._claims.add(claim)
        claim.add_done_callback(self._claims.discard)
        return True

    async def end(self) -> None:
        """End them all; their readers are told so."""
        for claim in self._claims:
            claim.cancel()
        for call_id in self._works.values():
            self._calls.stop(call_id, NodeLost(call_id))
        if tasks := {*self._claims, *self._works}:
            await asyncio.wait(tasks)

    async def _claim(self, heir: Heir, call: Call, work: asyncio.Task[None]) -> None:
        claim, last = heir.claim(), None
        try:
            last = await self._granted(claim)
        finally:
            if last is None:
                heir.refuse()
                if not self._calls.stop(call.id, NodeLost(call.id)):
                    work.cancel()
        if last is not None:
            log.info("this node goes on with a stream whose node was lost", call_id=call.id, node=call.carrier)
            call.carrier = ""  # from here on it is this node's own
            stream = heir.goes_on(claim, last, self._writers)
            work.add_done_callback(lambda _: self._writers.close(stream))

    async def _granted(self, claim: Claim) -> int | None:
        until = monotonic() + self._lease
        while True:
            try:
                return await self._streams.inherit(claim)
            except StoreUnavailable:
                if monotonic() >= until:
                    return None
            await asyncio.sleep(self._lease / TRIES)

    def _ended(self, work: asyncio.Task[None]) -> None:
        del self._works[work]
        failure = None if work.cancelled() else work.exception()
        if failure is not None:
            log.error("unexpected failure of a call whose node was lost", exc_info=failure)
