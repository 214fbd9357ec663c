"""Streams of calls in Redis: a log whose ids are the sequences of the events, and beside it the place of the call.

The server's clock alone says when a writer's lease is over, and every script looks at it: so no sweep is needed, for
whoever looks at a stream whose writer is lost ends it, and streams that nobody looks at expire.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import cast

from a2a_node.model.call import CallRecord, CallStatus
from a2a_node.model.errors import (
    NodeLost,
    StreamNotFound,
)
from a2a_node.model.payload import Payload
from a2a_node.model.stream_ports import HEIRS, KEPT, KEPT_BYTES, News
from a2a_node.model.streams import Claim, Ending, Reading, StreamEvent, StreamHead, StreamKey, StreamPart, StreamWrite
from a2a_node.store.beginnings import Beginnings, channel_of, keys_of
from a2a_node.store.encoding import (
    Fields,
    error_of,
    error_text,
    milliseconds,
    moment,
    pairs,
    payload_fields,
    payload_of,
)
from a2a_node.store.redis import Argument, Redis, script
from a2a_node.store.wakeups import Wakeups

WRITE = script("stream_write")
READ = script("stream_read")
INHERIT = script("stream_inherit")

LEASE = 15.0  # seconds
RETENTION = 3600.0  # seconds after the end, or after the writer was last heard of
BATCH = 64  # events read at once


class RedisStreams:
    """The port `Streams` on Redis."""

    def __init__(self, redis: Redis, wakeups: Wakeups, *, lease: float = LEASE) -> None:
        self._redis = redis
        self._wakeups = wakeups
        self._lease = milliseconds(lease)
        self._kept = milliseconds(RETENTION)
        self._beginnings = Beginnings(redis, self._lease, self._kept)

    async def begin(self, head: StreamHead) -> str:
        """Begin the stream of a call; the writer's mark."""
        return await self._beginnings.begin(head)

    async def begin_once(self, head: StreamHead, writer: str, key: StreamKey) -> str:
        """Begin the stream of a call under a key; empty, or the id of the call that the key stands for."""
        return await self._beginnings.begin_once(head, writer, key)

    async def write(self, writes: Sequence[StreamWrite]) -> Sequence[Reading | None]:
        """Say something in several streams, in one trip."""
        answers = await self._redis.run_all([(WRITE, keys_of(write.id), self._said(write)) for write in writes])
        return [_reading(answer) for answer in answers]

    async def inherit(self, claim: Claim) -> int | None:
        """Take the place of a writer; the last sequence that is kept, or None."""
        marks = (claim.writer, claim.heir, claim.successor)
        answer = await self._redis.run(
            INHERIT, keys_of(claim.id), *marks, claim.first, claim.last, self._lease, self._kept
        )
        return cast("int | None", answer)

    async def read(self, call_id: str, after: int) -> StreamPart:
        """The next events after a sequence; the reader counts as present for a lease."""
        return await self._part(call_id, after, self._lease)

    async def look(self, call_id: str) -> StreamPart:
        """How a call stands, without its events."""
        return await self._part(call_id, 0, 0)

    def news(self, call_id: str) -> AbstractAsyncContextManager[News]:
        """Hear of what is said in a stream."""
        return self._wakeups.of(channel_of(call_id))

    def progress(self, call_id: str) -> AbstractAsyncContextManager[News]:
        """Hear of what is read of a stream."""
        return self._wakeups.of(f"{channel_of(call_id)}:read")

    async def _part(self, call_id: str, after: int, presence: int) -> StreamPart:
        name = channel_of(call_id)
        lost = error_text(NodeLost(call_id))
        answer = await self._redis.run(
            READ, keys_of(call_id), name, f"{name}:read", after, BATCH, presence, lost, self._kept
        )
        if answer is None:
            raise StreamNotFound(call_id)
        flat, events, left = cast("tuple[object, Sequence[tuple[bytes, object]], int]", answer)
        place = pairs(flat)
        return StreamPart(
            _record(call_id, place),
            place[b"principal"].decode(),
            int(place[b"last"]),
            [_event(number, fields) for number, fields in events],
            left / 1000,
            place[b"unary"] == b"1",
        )

    def _said(self, write: StreamWrite) -> Sequence[Argument]:
        ended = _ended(write.ending)
        lease = round(self._lease * HEIRS) if write.heir else self._lease
        limits = (lease, self._kept, KEPT, KEPT_BYTES)
        events = [part for payload in write.payloads for part in _parts(payload)]
        return (write.writer, channel_of(write.id), *limits, write.first, *ended, write.heir, *events)


def _parts(payload: Payload) -> Sequence[str | bytes]:
    """Kind, type and body, without their names."""
    return payload_fields(payload)[1::2]


def _ended(ending: Ending | None) -> tuple[str, bytes]:
    if ending is None:
        return "", b""
    return ending.status.value, b"" if ending.error is None else error_text(ending.error)


def _reading(answer: object) -> Reading | None:
    if answer is None:
        return None
    position, present = cast("tuple[int, int]", answer)
    return Reading(position, bool(present))


def _event(number: bytes, flat: object) -> StreamEvent:
    return StreamEvent(int(number.partition(b"-")[0]), payload_of(pairs(flat)))


def _record(call_id: str, place: Fields) -> CallRecord:
    finished, error = place.get(b"finished"), place.get(b"error")
    return CallRecord(
        id=call_id,
        agent=place[b"agent"].decode(),
        capability=place[b"capability"].decode(),
        status=CallStatus(place[b"status"].decode()),
        path=tuple(place[b"path"].decode().split()),
        parent=place[b"parent"].decode(),
        root=place[b"root"].decode(),
        created_at=moment(int(place[b"created"])),
        finished_at=moment(int(finished)) if finished else None,
        error=error_of(error) if error else None,
    )
