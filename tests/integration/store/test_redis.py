"""A pool on Redis: it says when Redis is away, soon and in one word, and goes on by itself when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from time import monotonic
from urllib.parse import urlsplit

import pytest
from psutil import Process
from redis.exceptions import ResponseError

from a2a_node.model.errors import SettingInvalid, StoreUnavailable
from a2a_node.store.redis import Redis, Script, connected
from tests.integration.store.redis_lines import LONG, lined, until

SHORT = 0.3  # seconds of patience, where a test waits for its end
ADD = Script("return redis.call('INCRBY', KEYS[1], ARGV[1])")


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    """A pool on an empty Redis."""
    async with connected(redis_url, pool_size=4) as pool:
        yield pool


async def test_a_command_is_answered(redis: Redis) -> None:
    """Alone, with others in one trip, and all of them or none."""
    await redis.ask("SET", "k", b"\x00\xff")
    assert await redis.ask("GET", "k") == b"\x00\xff"
    for atomically in (False, True):
        assert await redis.ask_all([("EXISTS", "k"), ("EXISTS", "none")], atomically=atomically) == [1, 0]


@pytest.mark.parametrize("atomically", [False, True])
async def test_one_that_is_refused_keeps_none_of_its_trip_from_being_done(redis: Redis, *, atomically: bool) -> None:
    """Who asked hears of the refusal, and the connection is as good as before."""
    await redis.ask("SET", "text", "x")
    with pytest.raises(ResponseError, match="not an integer"):
        await redis.ask_all([("INCR", "a"), ("INCR", "text"), ("INCR", "b")], atomically=atomically)
    assert await redis.ask_all([("GET", "a"), ("GET", "b")]) == [b"1", b"1"]


async def test_a_trip_that_is_given_up_leaves_no_answer_behind(redis: Redis) -> None:
    """To whoever asks next."""
    for turns in range(12):
        given_up = asyncio.create_task(redis.ask_all([("INCR", "n"), ("INCR", "n")]))
        for _ in range(turns):
            await asyncio.sleep(0)
        given_up.cancel()
        await asyncio.wait([given_up])
        assert await redis.ask_all([("ECHO", "one"), ("ECHO", "two")]) == [b"one", b"two"]


async def test_a_script_is_sent_again_to_a_server_that_lost_it(redis: Redis) -> None:
    """As one does that was restarted."""
    assert await redis.run(ADD, ["k"], 2) == 2
    await redis.ask("SCRIPT", "FLUSH")
    assert await redis.run(ADD, ["k"], 2) == 4


async def test_more_ask_than_there_are_connections(redis: Redis) -> None:
    """They take turns, and the pool stays as small as it is."""
    totals = await asyncio.gather(*(redis.run(ADD, ["k"], 1) for _ in range(200)))
    assert sorted(int(str(total)) for total in totals) == list(range(1, 201))
    connections = str(await redis.ask("CLIENT", "LIST")).count(" addr=")
    assert connections <= 4


async def test_a_server_that_is_not_there_is_away() -> None:
    """A refused connection is no riddle."""
    async with connected("redis://:secret@127.0.0.1:1/0") as redis:
        with pytest.raises(StoreUnavailable) as failure:
            await redis.ping()
    assert failure.value.variables == {"store": "redis"}
    assert "secret" not in repr(failure.value.__cause__)


async def test_a_wrong_password_is_named_without_it(redis_url: str) -> None:
    """Nothing can be done until the operator mends it, as with a server that is away."""
    wrong = urlsplit(redis_url)
    async with connected(wrong._replace(netloc=f":wrong@{wrong.hostname}:{wrong.port}").geturl()) as redis:
        with pytest.raises(StoreUnavailable) as failure:
            await redis.ping()
    assert "wrong@" not in repr(failure.value.__cause__)


@pytest.mark.parametrize("url", ["", "postgres://:secret@h/0", "redis://:secret@h:port/0", "unix:///secret"])
async def test_what_is_no_url_of_redis_is_refused(url: str) -> None:
    """Without telling what it was."""
    with pytest.raises(SettingInvalid) as failure:
        async with connected(url):
            pass
    assert "secret" not in str(failure.value)


async def test_a_server_that_does_not_answer_is_away(redis_url: str) -> None:
    """Neither an old connection nor a new one is waited for longer than the patience; then all is well again."""
    async with asyncio.timeout(LONG), lined(redis_url, patience=SHORT) as (redis, line):
        await redis.ping()
        line.hold()
        began = monotonic()
        outcomes = await asyncio.gather(*(redis.ping() for _ in range(20)), return_exceptions=True)
        assert all(isinstance(outcome, StoreUnavailable) for outcome in outcomes)
        assert monotonic() - began < LONG / 4
        await line.restore()
        await redis.ping()


async def test_a_connection_that_was_cut_is_replaced(redis: Redis, redis_url: str) -> None:
    """The next command is answered as if nothing had happened."""
    await asyncio.gather(*(redis.ping() for _ in range(4)))
    async with connected(redis_url) as other:
        await other.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until(lambda: alone(other))
    await asyncio.gather(*(redis.ping() for _ in range(4)))


async def test_connections_that_wait_are_closed_when_the_server_ends_them(redis_url: str) -> None:
    """Not only once somebody needs them."""
    port = urlsplit(redis_url).port

    async def closed() -> bool:
        ends = [getattr(one.raddr, "port", 0) for one in Process().net_connections("tcp")]
        return ends.count(port) == 1

    async with connected(redis_url, pool_size=4) as redis, connected(redis_url) as other:
        await asyncio.gather(*(redis.ping() for _ in range(4)))
        await other.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        await until(closed)
        await asyncio.gather(*(redis.ping() for _ in range(4)))


async def alone(redis: Redis) -> bool:
    """Whether nobody else is connected."""
    return str(await redis.ask("CLIENT", "LIST")).count(" addr=") == 1


async def test_a_command_fails_on_its_connection_alone(redis_url: str) -> None:
    """Of those under way when the line is cut each fails at most once."""
    async with asyncio.timeout(LONG), lined(redis_url) as (redis, line):
        await asyncio.gather(*(redis.ping() for _ in range(8)))
        line.cut_connections()
        await asyncio.gather(*(redis.ping() for _ in range(8)), return_exceptions=True)
        await asyncio.gather(*(redis.ping() for _ in range(8)))


async def test_it_goes_on_by_itself_when_redis_is_back(redis_url: str) -> None:
    """After refusing every command meanwhile."""
    async with asyncio.timeout(LONG), lined(redis_url) as (redis, line):
        await redis.ask("SET", "k", 1)
        line.cut()
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                await redis.ask("GET", "k")
        await line.restore()
        assert await redis.ask("GET", "k") == b"1"


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancelled_command_ends_and_leaves_no_answer_behind(redis_url: str, turns: int) -> None:
    """At whatever turn of the loop: it ends at once, and whoever asks next gets the answer to their own question."""
    async with asyncio.timeout(LONG), lined(redis_url, pool_size=2, patience=LONG) as (redis, line):
        await redis.ask("SET", "right", "right")
        line.hold()
        asking = [asyncio.create_task(redis.ask("GET", "wrong")) for _ in range(2)]
        for _ in range(turns):
            await asyncio.sleep(0)
        for task in asking:
            task.cancel()
        await asyncio.wait(asking)
        assert all(task.cancelled() for task in asking)
        await line.restore()
        assert await asyncio.gather(*(redis.ask("GET", "right") for _ in range(4))) == [b"right"] * 4


async def test_a_server_without_memory_cannot_serve(redis: Redis) -> None:
    """It is as good as away; reading goes on."""
    before = await redis.ask("CONFIG", "GET", "maxmemory")
    assert isinstance(before, list)
    await redis.ask("SET", "k", "v")
    await redis.ask("CONFIG", "SET", "maxmemory", "1")
    try:
        with pytest.raises(StoreUnavailable):
            await redis.ask("SET", "k", "v")
        with pytest.raises(StoreUnavailable):
            await redis.run(ADD, ["n"], 1)
        assert await redis.ask("GET", "k") == b"v"
    finally:
        await redis.ask("CONFIG", "SET", *before)
