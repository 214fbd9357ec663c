"""Streams begun under a key in Redis, where only one of the two steps was taken, or an older version took both."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from a2a_node.model.errors import CallIdTaken, StreamNotFound
from a2a_node.model.names import fresh_uuid
from a2a_node.model.streams import StreamHead, StreamKey
from a2a_node.store import redis, wakeups
from a2a_node.store.beginnings import BEGIN, CLAIM, keys_of
from a2a_node.store.streams import RedisStreams

KEY = StreamKey("person:ada:k", "d", 60.0)
CLAIMED = "a2a:outcome:stream:person:ada:k"
OLD = ("digest", "d", "kind", "text", "type", "text/plain")


class Desk:
    """Streams, and the Redis that they are in."""

    def __init__(self, server: redis.Redis, streams: RedisStreams) -> None:
        self.server, self.streams = server, streams

    async def ask(self, call_id: str = "", stale: str = "") -> tuple[str, str]:
        """Begin a call under the key, by a writer of its own: its id, and that of the call the key stands for."""
        head, key = headed(call_id or fresh_uuid()), StreamKey(KEY.name, KEY.digest, KEY.seconds, stale)
        return head.id, await self.streams.begin_once(head, fresh_uuid(), key)

    async def begun(self, name: str = KEY.name) -> str:
        """Take the first step alone: the stream is there, the key is free."""
        call_id = fresh_uuid()
        await self.server.run(BEGIN, keys_of(call_id), "w", 9000, 9000, name, *FIELDS)
        return call_id

    async def claimed(self, call_id: str) -> None:
        """Take the second step alone: the key stands for a call, whatever the stream of that id is."""
        await self.server.run(CLAIM, [CLAIMED], call_id, "w", KEY.digest, 9000, "", "body", call_id)

    async def there(self, call_id: str) -> bool:
        """Whether there is such a stream."""
        try:
            await self.streams.look(call_id)
        except StreamNotFound:
            return False
        return True


def headed(call_id: str) -> StreamHead:
    """What is kept of a call."""
    return StreamHead(call_id, "person:ada", "talker", "talk", ("talker",), "", call_id)


FIELDS = (
    *("principal", "person:ada", "agent", "talker", "capability", "talk", "path", "talker"),
    *("parent", "", "root", "r", "unary", "0"),
)


@pytest.fixture
async def desk(redis_url: str) -> AsyncIterator[Desk]:
    """No streams at all."""
    async with redis.connected(redis_url) as server, wakeups.listening(server) as heard:
        yield Desk(server, RedisStreams(server, heard))


async def test_a_stream_whose_key_was_not_claimed_any_more_is_joined(desk: Desk) -> None:
    """Its connection was cut between the steps: whoever asks again under its id waits for it, as long as its lease."""
    call_id = await desk.begun()
    assert await desk.ask(call_id) == (call_id, call_id)
    other, before = await desk.ask()
    assert (before, await desk.there(other)) == (call_id, False)


async def test_a_key_that_stands_for_what_was_begun_otherwise_is_free(desk: Desk) -> None:
    """Somebody's own id was another's, and they went before they said so: nobody is told what that other call says."""
    for name in ("", "person:ada:other"):
        await desk.server.ask("FLUSHALL")
        another = await desk.begun(name)
        await desk.claimed(another)
        with pytest.raises(CallIdTaken):
            await desk.ask(another)
        await desk.claimed(another)
        call_id, before = await desk.ask()
        assert before == ""
        assert await desk.there(call_id)
        assert await desk.there(another)
        assert (await desk.ask())[1] == call_id


async def test_a_key_whose_stream_is_gone_stands_for_it_until_somebody_says_so(desk: Desk) -> None:
    """Also against a repeat under that very id, beside which others may just begin in its place."""
    gone = fresh_uuid()
    await desk.claimed(gone)
    for call_id in ("", gone):
        fresh, before = await desk.ask(call_id)
        assert (before, await desk.there(fresh)) == (gone, False)
    call_id, before = await desk.ask(stale=gone)
    assert (before, (await desk.ask())[1]) == ("", call_id)


async def test_the_claims_of_older_nodes_hold(desk: Desk) -> None:
    """They work beside newer ones during an upgrade: their streams do not say under which key they were begun."""
    old = await desk.begun("")
    await desk.server.ask("HSET", CLAIMED, *OLD, "body", old)
    for call_id in ("", old):
        assert (await desk.ask(call_id))[1] == old
    call_id, before = await desk.ask(stale=old)
    assert (before, (await desk.ask())[1]) == ("", call_id)
    kept = await desk.server.ask("HMGET", CLAIMED, "digest", "worker", "body")  # what they look at
    assert kept == [b"d", None, call_id.encode()]


@pytest.mark.parametrize("known", [BEGIN, CLAIM], ids=["begin", "claim"])
async def test_a_server_that_knows_one_of_the_scripts_is_told_both(desk: Desk, known: redis.Script) -> None:
    """What it did at first it does not do twice."""
    await desk.server.ask("SCRIPT", "FLUSH")
    await desk.server.ask("SCRIPT", "LOAD", known.text)
    call_id, before = await desk.ask()
    assert (before, (await desk.ask())[1]) == ("", call_id)


async def test_of_many_at_once_under_one_id_one_begins_at_most(desk: Desk) -> None:
    """The others are told to join it. Where their steps crossed nobody has begun, and there is no such stream."""
    call_id = fresh_uuid()
    told = [before for _, before in await asyncio.gather(*(desk.ask(call_id) for _ in range(20)))]
    assert set(told) <= {"", call_id}
    assert told.count("") == int(await desk.there(call_id))
