"""Sessions and the cache as clients meet them: over gRPC, on real stores that go away in the middle."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TypeAlias, cast

import pytest

from a2a_node.client import MeshClient
from a2a_node.client.cache import Missed, Published, Started
from a2a_node.model.call import Call
from a2a_node.model.errors import (
    InvalidInput,
    MeshError,
    PayloadTooLarge,
    SessionNotFound,
    StoreUnavailable,
    TooManySubscribers,
    ValueNotNumber,
    VersionConflict,
)
from a2a_node.pipeline.server import Door, Front, handlers_of, serving
from a2a_node.services.cache import CacheService
from a2a_node.services.session import SessionService
from a2a_node.store import postgres, sessions, wakeups
from a2a_node.store.topics import RedisTopics
from a2a_node.store.values import RedisValues
from a2a_node.testing import Line
from tests.integration.store.lines import lined as postgres_line
from tests.integration.store.redis_lines import LONG, until
from tests.integration.store.redis_lines import lined as redis_line

SUBSCRIBERS = 3
Event: TypeAlias = Started | Published | Missed
Attempt: TypeAlias = Callable[[MeshClient], Awaitable[object]]


@dataclass
class House:
    """A client of a server of both services, and the lines behind the server."""

    mesh: MeshClient
    redis: Line
    postgres: Line


@pytest.fixture
async def house(redis_url: str, postgres_url: str) -> AsyncIterator[House]:
    """A server on empty stores."""
    async with asyncio.timeout(LONG), housed(redis_url, postgres_url) as opened:
        yield opened


@asynccontextmanager
async def housed(redis_url: str, postgres_url: str) -> AsyncIterator[House]:
    """A server on stores."""
    async with (
        redis_line(redis_url) as (redis, near),
        postgres_line(postgres_url) as (url, far),
        postgres.connected(url) as rows,
        wakeups.listening(redis) as heard,
        sessions.keeping(redis, rows, lag=0.05) as kept,
    ):
        topics = RedisTopics(redis, heard, subscribers=SUBSCRIBERS)
        front = Front(rest, {})
        handlers = handlers_of([SessionService(kept), CacheService(RedisValues(redis), topics)], front)
        async with (
            serving([Door("127.0.0.1:0")], handlers, front, payload_limit=4 << 20, grace=0) as (port,),
            MeshClient(f"127.0.0.1:{port}", "none") as mesh,
        ):
            yield House(mesh, near, far)


async def rest(call: Call) -> None:
    """No layers."""
    await call.rest(call)


async def listed(mesh: MeshClient, user_id: str = "") -> list[str]:
    """The ids of all sessions."""
    return [session.id async for session in mesh.sessions.list(user_id=user_id)]


async def first(mesh: MeshClient) -> Event:
    """What a subscriber of the topic t hears first."""
    async with following(mesh) as events:
        return await anext(events)


@asynccontextmanager
async def following(mesh: MeshClient, after_id: int | None = None) -> AsyncIterator[AsyncGenerator[Event, None]]:
    """What a subscriber of the topic t hears."""
    async with aclosing(cast("AsyncGenerator[Event, None]", mesh.cache.subscribe("t", after_id))) as events:
        yield events


NEEDING_REDIS: dict[str, Attempt] = {
    "CreateSession": lambda mesh: mesh.sessions.create({"a": 1}),
    "GetSession": lambda mesh: mesh.sessions.get("s"),
    "UpdateSession": lambda mesh: mesh.sessions.update("s", {"a": 2}, expected=None),
    "TouchSession": lambda mesh: mesh.sessions.touch("s"),
    "DeleteSession": lambda mesh: mesh.sessions.delete("s"),
    "ListSessions": listed,
    "SetValue": lambda mesh: mesh.cache.set("k", "v"),
    "DeleteValue": lambda mesh: mesh.cache.delete("k"),
    "IncrementValue": lambda mesh: mesh.cache.increment("n"),
    "Publish": lambda mesh: mesh.cache.publish("t", "hello"),
    "Subscribe": first,
}
BAD_INPUT: dict[str, tuple[type[MeshError], Attempt]] = {
    "no session id": (InvalidInput, lambda mesh: mesh.sessions.get("")),
    "malformed session id": (InvalidInput, lambda mesh: mesh.sessions.create(session_id="a b")),
    "a NUL": (InvalidInput, lambda mesh: mesh.sessions.create({"a": "\0"})),
    "no key": (InvalidInput, lambda mesh: mesh.cache.get("")),
    "malformed namespace": (InvalidInput, lambda mesh: mesh.cache.within("a b").get("k")),
    "large session": (PayloadTooLarge, lambda mesh: mesh.sessions.create({"a": "x" * (1 << 20)})),
    "large value": (PayloadTooLarge, lambda mesh: mesh.cache.set("k", bytes((1 << 20) + 1))),
    "large message": (PayloadTooLarge, lambda mesh: mesh.cache.publish("t", bytes((256 << 10) + 1))),
}


async def test_a_session_lives_from_its_making_to_its_end(house: House) -> None:
    """As a client sees it."""
    mesh = house.mesh
    made = await mesh.sessions.create({"a": [1.5, None]}, user_id="ann", ttl=60)
    changed = await mesh.sessions.update(made.id, {"b": {"c": True}}, expected=made.version, merge=True)
    assert changed.data == {"a": [1.5, None], "b": {"c": True}}
    with pytest.raises(VersionConflict) as conflict:
        await mesh.sessions.update(made.id, {}, expected=made.version)
    assert conflict.value.variables == {"expected": "1", "actual": "2"}
    assert await mesh.sessions.get(made.id, peek=True) == changed
    assert await listed(mesh, "ann") == [made.id]
    assert await mesh.sessions.delete(made.id)
    with pytest.raises(SessionNotFound):
        await mesh.sessions.get(made.id)


async def test_a_list_of_many_pages_has_every_session_once(house: House) -> None:
    """More than one page holds."""
    made = [(await house.mesh.sessions.create()).id for _ in range(120)]
    assert await listed(house.mesh) == made[::-1]


async def test_values_and_counters_are_kept(house: House) -> None:
    """As a client sees them."""
    cache = house.mesh.cache.within("n")
    assert await cache.set("k", {"a": 1}, ttl=60)
    assert not await cache.set("k", "other", only_if_absent=True)
    found = await cache.get("k")
    assert found is not None
    assert found.value == {"a": 1}
    assert 0 < found.ttl <= 60
    with pytest.raises(ValueNotNumber):
        await cache.increment("k")
    assert await asyncio.gather(*(cache.increment("n", 2) for _ in range(10))) != []
    assert await cache.increment("n", -20) == 0
    assert await cache.delete("k")
    assert await cache.get("k") is None


async def test_messages_reach_subscribers_of_any_node(redis_url: str, postgres_url: str) -> None:
    """Once and in order; whoever comes back later gets what was missed."""
    async with asyncio.timeout(LONG), housed(redis_url, postgres_url) as one, housed(redis_url, postgres_url) as other:
        async with following(other.mesh) as events:
            assert await anext(events) == Started(0)
            for number in range(20):
                await one.mesh.cache.publish("t", {"n": number})
            heard = [cast("Published", await anext(events)) for _ in range(20)]
        assert [(message.id, message.value) for message in heard] == [(n + 1, {"n": n}) for n in range(20)]
        async with following(other.mesh, 18) as events:
            assert await anext(events) == Started(18)
            assert [await anext(events), await anext(events)] == heard[18:]


@pytest.mark.parametrize("silently", [True, False])
@pytest.mark.parametrize("rpc", NEEDING_REDIS)
async def test_without_redis_an_rpc_says_so_at_once(house: House, rpc: str, silently: bool) -> None:  # noqa: FBT001
    """Whether it is gone or only does not answer; when it is back the same request succeeds.

    One that was not answered may have been carried out all the same, so the update here builds on no version.
    """
    await house.mesh.sessions.create(session_id="s")
    if silently:
        house.redis.hold()
    else:
        house.redis.cut()
    with pytest.raises(StoreUnavailable) as failure:
        await NEEDING_REDIS[rpc](house.mesh)
    assert failure.value.variables == {"store": "redis"}
    assert failure.value.retry_after is not None
    await house.redis.restore()
    await NEEDING_REDIS[rpc](house.mesh)


async def test_without_redis_a_value_is_not_found(house: House) -> None:
    """Readers do their work themselves."""
    await house.mesh.cache.set("k", "v")
    house.redis.cut()
    assert await house.mesh.cache.get("k") is None


async def test_a_subscriber_hears_that_redis_went_away(house: House) -> None:
    """It comes back with the last id it has seen, and misses nothing."""
    async with following(house.mesh) as events:
        assert await anext(events) == Started(0)
        await house.mesh.cache.publish("t", "a")
        assert cast("Published", await anext(events)).value == "a"
        house.redis.cut()
        with pytest.raises(StoreUnavailable):
            await anext(events)
    await house.redis.restore()
    await house.mesh.cache.publish("t", "b")
    async with following(house.mesh, 1) as events:
        assert await anext(events) == Started(1)
        assert cast("Published", await anext(events)).value == "b"


async def test_a_subscriber_that_leaves_makes_room(house: House) -> None:
    """However it leaves; one too many is refused."""
    async with AsyncExitStack() as leaving:
        streams = [await leaving.enter_async_context(following(house.mesh)) for _ in range(SUBSCRIBERS)]
        for stream in streams:
            await anext(stream)
        with pytest.raises(TooManySubscribers):
            await first(house.mesh)
        waiting = asyncio.ensure_future(anext(streams[0]))
        await asyncio.sleep(0)
        waiting.cancel()

        async def room() -> bool:
            try:
                return await first(house.mesh) == Started(0)
            except TooManySubscribers:
                return False

        await until(room)


async def test_without_postgres_sessions_go_on(house: House) -> None:
    """Only what Postgres alone knows is refused: lists, and sessions that Redis does not have."""
    made = await house.mesh.sessions.create(session_id="s")
    house.postgres.cut()
    changed = await house.mesh.sessions.update(made.id, {"a": 1}, expected=1)
    assert await house.mesh.sessions.get("s", peek=True) == changed
    for attempt in (listed(house.mesh), house.mesh.sessions.get("unknown")):
        with pytest.raises(StoreUnavailable) as failure:
            await attempt
        assert failure.value.variables == {"store": "postgres"}


@pytest.mark.parametrize("case", BAD_INPUT)
async def test_bad_input_is_named(house: House, case: str) -> None:
    """By its class, on the client's side too."""
    kind, attempt = BAD_INPUT[case]
    with pytest.raises(kind):
        await attempt(house.mesh)
