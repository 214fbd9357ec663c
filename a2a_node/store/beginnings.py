"""How streams begin in Redis, also once under a key: in one trip, by two scripts, whose keys have one hash tag each.

The stream is begun first, and then the key is claimed for it: so whoever finds the key claimed finds the stream. One
that was begun while the key was another's is dropped, and so is a claim for a call whose id was another's: that takes
a trip more. A stream says under which key it was begun, so that nobody takes another for it in the meantime.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from a2a_node.model.errors import CallIdTaken, IdempotencyKeyReused, MeshError, StoreUnavailable
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.streams import StreamHead, StreamKey
from a2a_node.store.encoding import milliseconds, payload_fields
from a2a_node.store.redis import Argument, Redis, ScriptCall, script

BEGIN = script("stream_begin")
CLAIM = script("stream_claim")
UNCLAIM = script("stream_unclaim")
DROP = script("stream_drop")

ROUNDS = 3  # claims for calls whose ids were others', at most, that are found in the way of one call

# `busy`: a node of an older version is about to begin it
REFUSALS: Mapping[bytes, Callable[[str], MeshError]] = {
    b"reused": IdempotencyKeyReused,
    b"busy": lambda _: StoreUnavailable("redis"),
}


def channel_of(call_id: str) -> str:
    """Where it is told what is said in a stream."""
    return f"a2a:stream:{{{call_id}}}"


def keys_of(call_id: str) -> Sequence[str]:
    """The log of a stream, and its place."""
    name = channel_of(call_id)
    return f"{name}:log", f"{name}:place"


@dataclass(frozen=True, slots=True)
class _Begun:
    """What came of both scripts: of the stream (1, or under which key the one was begun that is there), of the key."""

    stream: int | bytes
    said: bytes
    before: bytes
    mark: bytes


class Beginnings:
    """Begins streams whose writers have a lease, and which are kept for so long; both in milliseconds."""

    def __init__(self, redis: Redis, lease: int, kept: int) -> None:
        self._redis = redis
        self._marks = lease, kept

    async def begin(self, head: StreamHead) -> str:
        """Begin the stream of a call; the writer's mark. CallIdTaken."""
        writer = fresh_uuid()
        if await self._redis.run(BEGIN, keys_of(head.id), *self._beginning(head, writer, "")) != 1:
            raise CallIdTaken(head.id)
        return writer

    async def begin_once(self, head: StreamHead, writer: str, key: StreamKey) -> str:
        """Begin the stream of a call under a key; empty, or the id of the call that the key stands for."""
        for _ in range(ROUNDS):
            begun = await self._both(head, writer, key)
            if begun.said == b"begun" and begun.stream == 1:
                return ""
            if begun.said in REFUSALS:
                await self._dropped(head.id, writer)
                raise REFUSALS[begun.said](head.id)
            before, name = begun.before.decode(), key.name.encode()
            if before == head.id and begun.stream == name:
                return before
            if begun.said == b"begun":
                await self._redis.run(UNCLAIM, [_claim(key)], writer)
                raise CallIdTaken(head.id)
            under = await self._dropped(head.id, writer, before)
            if not begun.mark or under in (None, name):
                return before
            key = replace(key, stale=before)
        raise StoreUnavailable("redis")

    async def _both(self, head: StreamHead, writer: str, key: StreamKey) -> _Begun:
        kept = payload_fields(Payload(head.id, TEXT))
        claiming = (head.id, writer, key.digest, milliseconds(key.seconds), key.stale, *kept)
        stream, said = await self._redis.run_all(
            [(BEGIN, keys_of(head.id), self._beginning(head, writer, key.name)), (CLAIM, [_claim(key)], claiming)]
        )
        return _Begun(cast("int | bytes", stream), *cast("Sequence[bytes]", said))

    async def _dropped(self, call_id: str, writer: str, before: str = "") -> bytes | None:
        """Drop the stream of a call, if it is that writer's; under which key another was begun, None for no stream."""
        calls: list[ScriptCall] = [(DROP, keys_of(call_id), (writer, channel_of(call_id)))]
        if before:
            calls.append((DROP, keys_of(before), ("", "")))
        return cast("bytes | None", (await self._redis.run_all(calls))[-1])

    def _beginning(self, head: StreamHead, writer: str, key: str) -> Sequence[Argument]:
        return (writer, *self._marks, key, *_head_fields(head))


def _claim(key: StreamKey) -> str:
    return f"a2a:outcome:stream:{key.name}"


def _head_fields(head: StreamHead) -> Sequence[str]:
    return (
        *("principal", head.principal, "agent", head.agent, "capability", head.capability),
        *("path", " ".join(head.path), "parent", head.parent, "root", head.root, "unary", "1" if head.unary else "0"),
    )
