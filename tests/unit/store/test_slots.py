"""Keys that go to Redis together lie in one slot of a Redis Cluster, whatever those who choose names call things."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import cast
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st
from redis.crc import key_slot

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.limits import Ask, Rate
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.state import NewSession
from a2a_node.model.streams import Claim, StreamHead, StreamKey, StreamWrite
from a2a_node.store.buckets import RedisBuckets
from a2a_node.store.hot_sessions import GROUPS, HotSessions
from a2a_node.store.redis import Argument, Redis, Script, ScriptCall
from a2a_node.store.streams import RedisStreams
from a2a_node.store.topics import RedisTopics
from a2a_node.store.values import RedisValues
from a2a_node.store.wakeups import Wakeups

NAMES = st.text(st.sampled_from("{}:a"), min_size=1, max_size=6)  # the worst that a name can hold
RATE = Rate(1.0, 10)
WORDS = Payload("x", TEXT)


class Wire:
    """What is asked of Redis, which is away; the keys that must lie together, of all that was asked."""

    def __init__(self) -> None:
        self.together: list[Sequence[str]] = []

    async def run(self, _: Script, keys: Sequence[str], *__: Argument) -> object:
        """A script."""
        self.together.append(keys)
        raise StoreUnavailable("redis")

    async def run_all(self, calls: Sequence[ScriptCall]) -> list[object]:
        """Several: each for itself."""
        self.together += [keys for _, keys, _ in calls]
        raise StoreUnavailable("redis")

    async def ask_all(self, commands: Sequence[Sequence[Argument]], *, atomically: bool = False) -> list[object]:
        """Commands on one key each; those of a transaction together."""
        if atomically:
            self.together.append([str(command[1]) for command in commands])
        raise StoreUnavailable("redis")


def attempts(redis: Redis, name: str, call_id: str) -> Sequence[Awaitable[object]]:
    """What the stores do with several keys, each until it meets Redis."""
    heard = Wakeups(redis)
    streams, topics, values = RedisStreams(redis, heard), RedisTopics(redis, heard), RedisValues(redis)
    sessions, buckets = HotSessions(redis), RedisBuckets(redis, name)
    head, lease = StreamHead(call_id, "person:ada", "a", "b"), Ask(name, RATE, 1, 1, 1, 0, 0, 1.0)
    return (
        streams.begin(head),
        streams.begin_once(head, "w", StreamKey(name, "d", 1.0)),
        streams.write([StreamWrite(call_id, "w", payloads=[WORDS])]),
        streams.inherit(Claim(call_id, "w", "h", "s", 1, 0)),
        streams.read(call_id, 0),
        topics.publish("", name, WORDS),
        values.get("", name),
        sessions.create(NewSession(1.0, name), sure=True),
        sessions.read(name),
        sessions.settle(name, None),
        sessions.take_unpersisted(1),
        buckets.lease(name, 0, 0, (name, lease)),
        buckets.give_back(name, 0, [(name, lease)]),
    )


@given(NAMES, st.uuids())
def test_no_script_and_no_transaction_has_keys_of_two_slots(name: str, call_id: UUID) -> None:
    """Whatever the names are; only ids of calls have a form, which nobody can send otherwise."""
    wire = Wire()

    async def attempted() -> None:
        for attempt in attempts(cast("Redis", wire), name, str(call_id)):
            with suppress(StoreUnavailable):
                await attempt

    asyncio.run(attempted())
    assert len(wire.together) >= GROUPS + 12
    assert [keys for keys in wire.together if len({key_slot(key.encode()) for key in keys}) > 1] == []
