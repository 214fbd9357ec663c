"""All resumable streams that this node writes: what they say goes to the store together, one trip at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Self

import structlog

from a2a_node.mesh.background import background
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.stream import Stream
from a2a_node.model.call import Call, CallStatus
from a2a_node.model.errors import CallCancelled, StoreUnavailable
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import Payload
from a2a_node.model.stream_ports import Streams
from a2a_node.model.streams import FORGOTTEN, Ending, Reading, StreamHead, StreamKey, StreamWrite

TOGETHER = 64  # streams of a trip
QUICKLY = 0.25  # seconds: a trip that failed so soon met a cut connection, and is worth another one

log = structlog.get_logger()


class Writers:
    """Keeps what streams say, and their leases; ends calls that nobody has read for `grace` seconds."""

    def __init__(self, streams: Streams, calls: Calls, *, lease: float, grace: float) -> None:
        self._streams, self._calls = streams, calls
        self._lease, self._grace = lease, grace
        self._open: dict[str, Stream] = {}
        self._touched: dict[Stream, None] = {}
        self._changed = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def writing(cls, streams: Streams, calls: Calls, *, lease: float, grace: float) -> AsyncIterator[Self]:
        """Write until the block ends."""
        writers = cls(streams, calls, lease=lease, grace=grace)
        async with background(writers.write, writers.keep):
            yield writers

    async def begin(self, call: Call) -> Stream:
        """The stream of a call; without the store one that nobody can come back to. CallIdTaken."""
        try:
            writer = await self._streams.begin(head_of(call))
        except StoreUnavailable:
            writer = ""
        stream = self._open[call.id] = Stream(call.id, writer, self._streams, self.touch)
        call.kept = stream.kept
        return stream

    async def begin_once(self, call: Call, key: StreamKey) -> Stream | str:
        """The stream of a call under a key, or the id of the call that the key stands for.

        CallIdTaken, IdempotencyKeyReused, StoreUnavailable.
        """
        head, writer = head_of(call), fresh_uuid()
        try:
            if before := await self._streams.begin_once(head, writer, key):
                return before
        except asyncio.CancelledError:
            await self._undone(call.id, writer)  # it may have begun without our hearing of it
            raise
        stream = self._open[call.id] = Stream(call.id, writer, self._streams, self.touch)
        call.kept = stream.alone = True
        return stream

    def begun(self, call: Call) -> Stream | None:
        """The stream of a call for which it was begun before, by who keeps it under the call's key."""
        return None if call.keeping is None else self._open.get(call.id)

    def inherit(self, call_id: str, writer: str, last: int, unkept: Iterable[Payload]) -> Stream:
        """Go on with the stream of a lost node as that writer, after a sequence."""
        stream = self._open[call_id] = Stream(call_id, writer, self._streams, self.touch)
        stream.inherit(last, unkept, asyncio.get_running_loop().time())
        self.touch(stream)
        return stream

    def close(self, stream: Stream) -> None:
        """The stream has ended."""
        stream.keeping.end()
        self._open.pop(stream.id, None)
        self._touched.pop(stream, None)

    def touch(self, stream: Stream) -> None:
        """Write what is due in this stream with the next trip."""
        if stream.kept and stream.id in self._open:
            self._touched[stream] = None
            self._changed.set()

    def open(self) -> int:
        """How many streams are written."""
        return len(self._open)

    async def write(self) -> None:
        """Trip after trip, each with all that was said during the one before."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._touched:
                await self._trip()

    async def keep(self) -> None:
        """Be heard of in every lease."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(self._lease / 3)
            self.look(clock())

    def look(self, now: float) -> None:
        """Renew all leases, and end what nobody has read for too long."""
        for stream in list(self._open.values()):
            self.touch(stream)
            if stream.absent is not None and now - stream.absent >= self._grace:
                self._calls.stop(stream.id, CallCancelled(stream.id, f"nobody has read it for {self._grace:g} s"))

    def left(self, stream: Stream) -> None:
        """The client of a stream is gone."""
        stream.leave(asyncio.get_running_loop().time())
        self.touch(stream)
        if not stream.kept:
            self._give_up(stream)

    async def _trip(self) -> None:
        touched = [stream for stream, _ in zip(self._touched, range(TOGETHER), strict=False)]
        for stream in touched:
            del self._touched[stream]
        if batch := [stream for stream in touched if stream.kept]:  # the others were left to other nodes since
            await self._write(batch)

    async def _write(self, batch: Sequence[Stream]) -> None:
        """Write what is due in these streams, in one trip."""
        writes = [stream.due() for stream in batch]
        try:
            readings = await self._written(writes)
        except StoreUnavailable:
            log.warning("streams are not kept any more", streams=len(batch))
            for stream in batch:
                self._lose(stream)
            return
        now = asyncio.get_running_loop().time()
        for stream, write, reading in zip(batch, writes, readings, strict=True):
            self._told(stream, write, reading, now)

    async def _undone(self, call_id: str, writer: str) -> None:
        """End what nobody works on, if it was begun, so that whoever repeats the call waits for nothing."""
        ending = Ending(CallStatus.CANCELLED, CallCancelled(call_id, "its client is gone"))
        with suppress(StoreUnavailable):  # then its lease ends it
            await self._streams.write([StreamWrite(call_id, writer, ending=ending)])

    async def _written(self, writes: Sequence[StreamWrite]) -> Sequence[Reading | None]:
        clock = asyncio.get_running_loop().time
        began = clock()
        try:
            return await self._streams.write(writes)
        except StoreUnavailable:
            if clock() - began > QUICKLY:
                raise
        return await self._streams.write(writes)

    def _told(self, stream: Stream, write: StreamWrite, reading: Reading | None, now: float) -> None:
        if reading == FORGOTTEN:
            log.warning("a stream is not kept any more: redis has lost what it knew", call_id=stream.id)
            self._lose(stream)
            return
        if reading is not None:
            stream.wrote(write, reading, now)
            return
        log.warning("a stream was taken over, or for lost, while its node lived", call_id=stream.id)
        self._calls.hand_over(stream.id)
        stream.lose()

    def _lose(self, stream: Stream) -> None:
        """The store is away, or empty: the client that is there gets what follows, and nobody else can come for it."""
        stream.unkept()
        if stream.alone:
            self._calls.stop(stream.id, StoreUnavailable("redis"))  # before its lease lets another one begin
        elif not stream.heard:
            self._give_up(stream)

    def _give_up(self, stream: Stream) -> None:
        self._calls.stop(stream.id, CallCancelled(stream.id, "its client is gone, and its events cannot be kept"))


def head_of(call: Call) -> StreamHead:
    """What is kept of a call before its first event."""
    envelope = call.envelope
    way = (envelope.path, envelope.parent, envelope.root) if envelope else ((), "", call.id)
    return StreamHead(call.id, str(call.principal), call.agent, call.capability, *way, call.unary)
