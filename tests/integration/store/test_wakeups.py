"""Wakeups: everybody who listens hears of news, or that there will be none."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.redis import Redis
from a2a_node.store.wakeups import Wakeup, listening
from tests.integration.store.redis_lines import LONG, lined, until


async def heard(wakeup: Wakeup) -> bytes:
    """The next news."""
    async with asyncio.timeout(LONG):
        await wakeup.wait()
    return wakeup.news


async def channels(redis: Redis) -> object:
    """What the server has subscriptions for."""
    return await redis.ask("PUBSUB", "CHANNELS", "a2a:*")


async def test_news_reach_everybody_on_a_channel(redis_url: str) -> None:
    """And nobody on another."""
    async with lined(redis_url) as (redis, _), listening(redis) as wakeups, AsyncExitStack() as listeners:
        one, two, other = [await listeners.enter_async_context(wakeups.of(f"a2a:{name}")) for name in "aab"]
        await redis.ask("PUBLISH", "a2a:a", "news")
        assert [await heard(one), await heard(two)] == [b"news", b"news"]
        await redis.ask("PUBLISH", "a2a:b", "more")
        assert await heard(other) == b"more"


async def test_nothing_is_missed_from_the_first_moment(redis_url: str) -> None:
    """What is told as soon as the block has begun is heard, however channels come and go."""
    async with lined(redis_url) as (redis, _), listening(redis) as wakeups:

        async def come_and_go(number: int) -> None:
            for turn in range(20):
                async with wakeups.of(f"a2a:{(number + turn) % 3}") as wakeup:
                    await redis.ask("PUBLISH", f"a2a:{(number + turn) % 3}", "news")
                    await heard(wakeup)

        async with asyncio.timeout(LONG):
            await asyncio.gather(*(come_and_go(number) for number in range(10)))
            await until(lambda: no_channels(redis))


async def no_channels(redis: Redis) -> bool:
    """Whether nothing is subscribed to."""
    return not await channels(redis)


async def test_a_channel_that_nobody_hears_is_left(redis_url: str) -> None:
    """Also when who began to listen was cancelled on the way."""
    async with lined(redis_url) as (redis, _), listening(redis) as wakeups:

        async def listen(name: str) -> None:
            async with wakeups.of(name):
                await asyncio.Event().wait()

        tasks = [asyncio.create_task(listen(f"a2a:{number}")) for number in range(50)]
        for _ in range(3):
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await until(lambda: no_channels(redis))


async def test_quiet_is_no_loss(redis_url: str) -> None:
    """A connection on which nothing is told stays."""
    async with lined(redis_url) as (redis, _), listening(redis) as wakeups, wakeups.of("a2a:a") as wakeup:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1.3):
                await wakeup.wait()
        await redis.ask("PUBLISH", "a2a:a", "news")
        assert await heard(wakeup) == b"news"


@pytest.mark.parametrize("silently", [True, False])
async def test_a_lost_connection_is_told_to_everybody(redis_url: str, silently: bool) -> None:  # noqa: FBT001
    """Whether it was cut or only does not answer any more; who listens afterwards hears again."""
    async with lined(redis_url) as (redis, line), listening(redis) as wakeups:
        async with wakeups.of("a2a:a") as one, wakeups.of("a2a:b") as two:
            if silently:
                line.hold()
            else:
                line.cut()
            for wakeup in (one, two):
                with pytest.raises(StoreUnavailable):
                    await heard(wakeup)
            with pytest.raises(StoreUnavailable):
                async with wakeups.of("a2a:a"):
                    pass
        await line.restore()
        async with wakeups.of("a2a:a") as wakeup:
            await redis.ask("PUBLISH", "a2a:a", "news")
            assert await heard(wakeup) == b"news"


async def test_whoever_comes_while_the_connection_is_lost_gets_the_next_one(redis_url: str) -> None:
    """For Redis is back; only who has listened before is told of the loss."""
    async with lined(redis_url) as (redis, line), listening(redis) as wakeups, wakeups.of("a2a:a") as before:
        line.hold()

        async def told() -> bytes:
            async with wakeups.of("a2a:b") as wakeup:
                await redis.ask("PUBLISH", "a2a:b", "news")
                return await heard(wakeup)

        late = asyncio.create_task(told())
        for _ in range(3):
            await asyncio.sleep(0)
        line.cut_connections()
        assert await late == b"news"
        with pytest.raises(StoreUnavailable):
            await heard(before)


async def test_nobody_hears_after_the_end(redis_url: str) -> None:
    """A listener that outlives the connection is told so, and no connection stays behind."""
    async with lined(redis_url) as (redis, _):
        async with AsyncExitStack() as listeners:
            async with listening(redis) as wakeups:
                wakeup = await listeners.enter_async_context(wakeups.of("a2a:a"))
            with pytest.raises(StoreUnavailable):
                await heard(wakeup)
        await until(lambda: no_channels(redis))
