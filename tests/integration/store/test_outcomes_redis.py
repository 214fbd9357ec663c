"""Claims on Redis while time runs: leases that are renewed, that end, and that cannot be renewed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.payload import Payload
from a2a_node.model.state import Outcome
from a2a_node.store.outcomes import RedisOutcomes
from a2a_node.store.redis import Redis
from a2a_node.store.wakeups import listening
from a2a_node.testing import Line
from tests.integration.store.redis_lines import LONG, lined, until

LEASE = 1.0  # seconds: long enough for a busy machine to renew it, every third of it
DONE = Outcome(Payload({"answer": 42}))


@asynccontextmanager
async def node(redis_url: str) -> AsyncIterator[tuple[RedisOutcomes, Redis, Line]]:
    """A node with a line of its own to Redis."""
    async with asyncio.timeout(LONG), lined(redis_url) as (redis, line), listening(redis) as wakeups:
        yield RedisOutcomes(redis, wakeups, lease=LEASE), redis, line


async def renewed(redis: Redis) -> bool:
    """Whether the only claim has nearly all of its lease left, having had little."""
    left = await redis.ask("PTTL", "a2a:outcome:k")
    assert isinstance(left, int)
    assert left > 0
    return left > LEASE * 900


async def aged(redis: Redis) -> bool:
    """Whether some of the lease of the only claim has passed."""
    return not await renewed(redis)


async def test_a_claim_is_renewed_while_its_worker_works(redis_url: str) -> None:
    """However long the work takes, nobody else wins."""
    async with node(redis_url) as (outcomes, redis, _), outcomes.claim("k", "d", 0):
        for _ in range(3):
            await until(lambda: aged(redis))
            await until(lambda: renewed(redis))


async def test_one_who_waits_wins_when_the_worker_died(redis_url: str) -> None:
    """Once the lease of the dead one has ended, without being told."""
    async with node(redis_url) as (doomed, _, line), node(redis_url) as (other, _, _), AsyncExitStack() as dead:
        await dead.enter_async_context(doomed.claim("k", "d", 0, exclusive=False))
        line.hold()
        async with other.claim("k", "d", LONG) as claim:
            assert claim.outcome is None
            await claim.settle(DONE, 60.0)
        await line.restore()


@pytest.mark.parametrize("silently", [True, False])
async def test_an_exclusive_worker_is_stopped_before_another_wins(redis_url: str, silently: bool) -> None:  # noqa: FBT001
    """When its lease cannot be renewed it hears StoreUnavailable, in the middle of its work."""
    begun, stopped = asyncio.Event(), asyncio.Event()

    async def work(outcomes: RedisOutcomes, line: Line) -> None:
        async with outcomes.claim("k", "d", 0):
            if silently:
                line.hold()
            else:
                line.cut()
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.set()

    async with node(redis_url) as (doomed, _, line), node(redis_url) as (other, _, _):
        working = asyncio.create_task(work(doomed, line))
        await begun.wait()
        async with other.claim("k", "d", LONG) as claim:
            assert stopped.is_set()
            await claim.settle(DONE, 60.0)
        with pytest.raises(StoreUnavailable):
            await working


async def test_a_worker_that_is_not_exclusive_works_on(redis_url: str) -> None:
    """Without Redis for longer than its lease; it only cannot settle."""
    async with node(redis_url) as (outcomes, _, line), outcomes.claim("k", "d", 0, exclusive=False) as claim:
        line.cut()
        await asyncio.sleep(LEASE * 1.5)  # the work
        with pytest.raises(StoreUnavailable):
            await claim.settle(DONE, 60.0)


@pytest.mark.parametrize("exclusive", [True, False])
async def test_a_workers_own_timeout_stays_its_own(redis_url: str, exclusive: bool) -> None:  # noqa: FBT001
    """It is not taken for the end of the lease."""
    async with node(redis_url) as (outcomes, _, _):
        with pytest.raises(TimeoutError):
            await too_slow(outcomes, exclusive=exclusive)


async def too_slow(outcomes: RedisOutcomes, *, exclusive: bool) -> None:
    """Work that gives up."""
    async with outcomes.claim("k", "d", 0, exclusive=exclusive), asyncio.timeout(0):
        await asyncio.Event().wait()


async def test_an_exclusive_worker_outlives_a_short_absence(redis_url: str) -> None:
    """As long as its lease can be renewed in time."""
    async with node(redis_url) as (outcomes, redis, line):
        async with outcomes.claim("k", "d", 0) as claim:
            line.cut()
            await asyncio.sleep(LEASE / 2)  # the absence
            await line.restore()
            await until(lambda: renewed(redis))
            await claim.settle(DONE, 60.0)
        async with outcomes.claim("k", "d", 0) as claim:
            assert claim.outcome == DONE


async def test_a_worker_may_go_on_after_it_has_settled(redis_url: str) -> None:
    """Its lease has no meaning any more."""
    async with node(redis_url) as (outcomes, _, line), outcomes.claim("k", "d", 0) as claim:
        await claim.settle(DONE, 60.0)
        line.cut()
        await asyncio.sleep(LEASE * 1.5)  # what it has to do yet


async def test_a_claim_that_was_won_while_its_asker_was_cancelled_is_given_back(redis_url: str) -> None:
    """At whatever turn of the loop that is."""
    async with node(redis_url) as (outcomes, _, _):
        for turns in range(12):

            async def ask(key: str) -> None:
                async with outcomes.claim(key, "d", 0):
                    await asyncio.Event().wait()

            asking = asyncio.create_task(ask(str(turns)))
            for _ in range(turns):
                await asyncio.sleep(0)
            asking.cancel()
            await asyncio.wait([asking])
            async with outcomes.claim(str(turns), "d", 0) as claim:
                assert claim.outcome is None
