"""Streams of calls in memory: what those in Redis do, for tests that need no Redis."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from a2a_node.model.call import CallRecord, CallStatus
from a2a_node.model.errors import CallIdTaken, IdempotencyKeyReused, NodeLost, StreamNotFound
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import Payload
from a2a_node.model.stream_ports import HEIRS, KEPT, KEPT_BYTES
from a2a_node.model.streams import (
    FORGOTTEN,
    Claim,
    Reading,
    StreamEvent,
    StreamHead,
    StreamKey,
    StreamPart,
    StreamWrite,
)
from a2a_node.store.streams import BATCH, LEASE, RETENTION
from a2a_node.testing.losable import utc
from a2a_node.testing.presence import Presence


@dataclass(eq=False, slots=True)
class _Stream:
    """What is kept of one call."""

    record: CallRecord
    head: StreamHead
    writer: str
    until: datetime
    expires: datetime
    reader: datetime
    heir: str = ""
    last: int = 0
    read: int = 0
    events: deque[StreamEvent] = field(default_factory=deque)


class _News:
    """What one listener hears."""

    def __init__(self, presence: Presence) -> None:
        self._presence = presence
        self.heard = asyncio.Event()

    async def wait(self) -> None:
        """Wait for news since the last time."""
        await self.heard.wait()
        self.heard.clear()
        self._presence.check()


class MemoryStreams(Presence):
    """The port `Streams` on a dictionary. `lose()` makes it behave as if Redis were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc, *, lease: float = LEASE) -> None:
        super().__init__("redis")
        self._clock = clock
        self._lease, self._retention = timedelta(seconds=lease), timedelta(seconds=RETENTION)
        self._streams: dict[str, _Stream] = {}
        self._keys: dict[str, tuple[str, str, datetime]] = {}  # the digest, the id of the call, when it is forgotten
        self._listeners: dict[str, set[_News]] = {}

    def lose(self) -> None:
        """Redis goes away, and whoever listens is cut off."""
        super().lose()
        for name in self._listeners:
            self._tell(name)

    def empty(self) -> None:
        """Redis loses all that it knew."""
        self._streams.clear()
        self._keys.clear()

    async def begin(self, head: StreamHead) -> str:
        """Begin the stream of a call; the writer's mark."""
        self.check()
        writer = fresh_uuid()
        self._begun(head, writer)
        return writer

    async def begin_once(self, head: StreamHead, writer: str, key: StreamKey) -> str:
        """Begin the stream of a call under a key; empty, or the id of the call that the key stands for."""
        self.check()
        digest, before, until = self._keys.get(key.name, ("", "", self._clock()))
        if until > self._clock():
            if digest != key.digest:
                raise IdempotencyKeyReused(key.name)
            if before != key.stale:
                return before
        self._begun(head, writer)
        self._keys[key.name] = key.digest, head.id, self._clock() + timedelta(seconds=key.seconds)
        return ""

    async def write(self, writes: Sequence[StreamWrite]) -> Sequence[Reading | None]:
        """Say something in several streams."""
        self.check()
        return [self._written(write) for write in writes]

    async def inherit(self, claim: Claim) -> int | None:
        """Take the place of a writer; the last sequence that is kept, or None."""
        self.check()
        stream = self._live(claim.id)
        if stream is None or stream.record.status is not CallStatus.RUNNING:
            return None
        if stream.writer != claim.successor and not _granted(stream, claim):
            return None
        now = self._clock()
        stream.writer, stream.heir = claim.successor, ""
        stream.until, stream.expires = now + self._lease, now + self._retention
        return stream.last

    async def read(self, call_id: str, after: int) -> StreamPart:
        """The next events after a sequence; the reader counts as present for a lease."""
        stream = self._found(call_id)
        if stream.record.status is CallStatus.RUNNING:
            stream.reader = self._clock() + self._lease
            if min(after, stream.last) > stream.read:
                stream.read = min(after, stream.last)
                self._tell(f"{call_id}:read")
        return self._part(stream, [event for event in stream.events if event.sequence > after][:BATCH])

    async def look(self, call_id: str) -> StreamPart:
        """How a call stands, without its events."""
        return self._part(self._found(call_id), ())

    @asynccontextmanager
    async def news(self, call_id: str) -> AsyncIterator[_News]:
        """Hear of what is said in a stream."""
        self.check()
        news, listeners = _News(self), self._listeners.setdefault(call_id, set())
        listeners.add(news)
        try:
            yield news
        finally:
            listeners.discard(news)

    def progress(self, call_id: str) -> AbstractAsyncContextManager[_News]:
        """Hear of what is read of a stream."""
        return self.news(f"{call_id}:read")

    def _begun(self, head: StreamHead, writer: str) -> None:
        if self._live(head.id) is not None:
            raise CallIdTaken(head.id)
        now = self._clock()
        record = CallRecord(
            head.id, head.agent, head.capability, CallStatus.RUNNING, head.path, head.parent, head.root, now
        )
        self._streams[head.id] = _Stream(record, head, writer, now + self._lease, now + self._retention, now)

    def _written(self, write: StreamWrite) -> Reading | None:
        stream = self._live(write.id)
        if stream is None:
            return FORGOTTEN
        if stream.writer != write.writer:
            return None
        reading = Reading(stream.read, present=stream.reader > self._clock())
        if stream.record.status is not CallStatus.RUNNING:
            return reading if write.ending is not None and write.ending.status is stream.record.status else None
        fresh = [
            StreamEvent(sequence, payload)
            for sequence, payload in enumerate(write.payloads, write.first)
            if sequence > stream.last
        ]
        self._keep(stream, fresh)
        stream.heir, stream.until = write.heir, self._clock() + self._lease * (HEIRS if write.heir else 1)
        if write.ending is not None:
            stream.record = replace(
                stream.record, status=write.ending.status, error=write.ending.error, finished_at=self._clock()
            )
        if fresh or write.ending is not None:
            self._tell(write.id)
        return reading

    def _keep(self, stream: _Stream, fresh: Sequence[StreamEvent]) -> None:
        stream.expires = self._clock() + self._retention
        if fresh:
            stream.events.extend(fresh)
            stream.last = fresh[-1].sequence
        size = sum(_size(event.payload) for event in stream.events)
        while len(stream.events) > 1 and (len(stream.events) > KEPT or size > KEPT_BYTES):
            size -= _size(stream.events.popleft().payload)

    def _live(self, call_id: str) -> _Stream | None:
        """What is still kept; a call whose writer is lost has ended by now."""
        stream, now = self._streams.get(call_id), self._clock()
        if stream is None or stream.expires <= now:
            return None
        return stream

    def _found(self, call_id: str) -> _Stream:
        self.check()
        stream, now = self._live(call_id), self._clock()
        if stream is None:
            raise StreamNotFound(call_id)
        if stream.record.status is CallStatus.RUNNING and stream.until <= now:
            stream.record = replace(stream.record, status=CallStatus.FAILED, error=NodeLost(call_id), finished_at=now)
            self._tell(call_id)
        return stream

    def _part(self, stream: _Stream, events: Sequence[StreamEvent]) -> StreamPart:
        running = stream.record.status is CallStatus.RUNNING
        left = (stream.until - self._clock()).total_seconds() if running else 0.0
        return StreamPart(stream.record, stream.head.principal, stream.last, events, left, stream.head.unary)

    def _tell(self, name: str) -> None:
        for news in self._listeners.get(name, ()):
            news.heard.set()


def _granted(stream: _Stream, claim: Claim) -> bool:
    """Whether the writer has named that heir, and nothing is missing between what is kept and what it has."""
    named = stream.heir == claim.heir or not (stream.heir or stream.last)
    return stream.writer == claim.writer and named and claim.first - 1 <= stream.last <= claim.last


def _size(payload: Payload) -> int:
    return len(payload.body) if isinstance(payload.body, str | bytes) else 0
