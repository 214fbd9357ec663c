"""`rate_limited` around functions of an application, in several of its processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest

from a2a_node.limiting import Limits, RateLimited, rate_limited
from a2a_node.model.errors import InvalidInput

TIMES = 5


def user_of(user: str, **_: str) -> str:
    """Who sends."""
    return user


async def test_a_function_is_called_no_faster_than_its_limit(redis_url: str) -> None:
    """Each key by itself; whoever is refused hears when to come back."""
    limits = Limits(redis_url)

    @rate_limited("4/h", limits, key=user_of)
    async def send(user: str, text: str) -> str:
        """Say it."""
        return f"{user}: {text}"

    async with limits:
        said = [await send("ada", text=str(number)) for number in range(4)]
        assert said == ["ada: 0", "ada: 1", "ada: 2", "ada: 3"]
        with pytest.raises(RateLimited, match=r"ada asks .*send faster than its limit of .*/s burst 4") as refusal:
            await send("ada", text="more")
        assert refusal.value.retry_after == pytest.approx(900, abs=5)
        assert await send("bob", text="hello") == "bob: hello"
    assert send.__doc__ == "Say it."


async def test_all_processes_of_an_application_share_its_buckets(redis_url: str) -> None:
    """Another application has its own. On a machine so busy that Redis seemed away, they may not have all of it."""
    for number in range(TIMES):
        one, two, other = Limits(redis_url), Limits(redis_url), Limits(redis_url, "other")

        async def work() -> int:
            return 1

        async with one, two, other:
            here, there, apart = (
                rate_limited("4/h burst 20", limits, name=f"work-{number}")(work) for limits in (one, two, other)
            )
            first, others = await done(*(here() for _ in range(12))), await done(*(apart() for _ in range(20)))
            rest = await done(*(there() for _ in range(20)))
            seemed_away = any(limits.limiter().reach.fallbacks for limits in (one, two, other))
        assert first + rest <= 20
        if not seemed_away:
            assert (first, others) == (12, 20)
            assert rest >= 8 - 20 // 4  # the first may have a few in hand
            return
    pytest.fail(f"redis seemed away {TIMES} times")


async def test_hundreds_of_calls_at_once_are_all_let_through_far_below_the_limit(redis_url: str) -> None:
    """Also while some call again before others were let through. As above where Redis seemed away."""
    for number in range(TIMES):
        limits = Limits(redis_url)

        @rate_limited("100000/s burst 100000", limits, name=f"crowd-{number}")
        async def work() -> int:
            return 1

        async def works() -> int:
            return sum([await work() for _ in range(20)])

        async with limits:
            through = await asyncio.gather(*(works() for _ in range(300)), return_exceptions=True)
            seemed_away = limits.limiter().reach.fallbacks
        if not seemed_away:
            assert through == [20] * 300
            return
    pytest.fail(f"redis seemed away {TIMES} times")


async def test_whoever_keeps_to_a_limit_of_one_token_is_never_refused(redis_url: str) -> None:
    """In two processes in turns: the token grows again once it was given away. As above where Redis seemed away."""
    for number in range(TIMES):
        one, two = Limits(redis_url), Limits(redis_url)

        async def work() -> int:
            return 1

        async with one, two:
            calls = [rate_limited("20/s burst 1", limits, name=f"steady-{number}")(work) for limits in (one, two)]
            through = 0
            for turn in range(40):
                through += await done(calls[turn % 2]())
                await asyncio.sleep(1.1 / 20)
            seemed_away = any(limits.limiter().reach.fallbacks for limits in (one, two))
        if not seemed_away:
            assert through == 40
            return
    pytest.fail(f"redis seemed away {TIMES} times")


async def test_a_call_may_cost_more_than_one_token(redis_url: str) -> None:
    """As many calls are let through as the bucket can pay for."""
    limits = Limits(redis_url)

    @rate_limited("4/h burst 10", limits, cost=4)
    async def work() -> int:
        return 1

    async with limits:
        assert await done(*(work() for _ in range(5))) == 2


async def test_limits_are_opened_once_and_first(redis_url: str) -> None:
    """Both mistakes say what to do; a limit that is none is refused where it is written."""
    limits = Limits(redis_url)

    @rate_limited("1/s", limits)
    async def work() -> None:
        """Nothing."""

    with pytest.raises(RuntimeError, match="open the limits first"):
        await work()
    async with limits:
        with pytest.raises(RuntimeError, match="open already"):
            await limits.__aenter__()
    with pytest.raises(InvalidInput, match="50/s burst 100"):
        rate_limited("often", limits)


async def test_what_never_reached_redis_lets_nothing_through() -> None:
    """It cannot know how much is left."""
    limits = Limits("redis://127.0.0.1:1/0")

    @rate_limited("100/s", limits)
    async def work() -> None:
        """Nothing."""

    async with limits:
        with pytest.raises(RateLimited, match="redis has not been heard yet"):
            await work()


async def done(*calls: Awaitable[int]) -> int:
    """How many of the calls were let through."""
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(answer == 1 or isinstance(answer, RateLimited) for answer in answers)
    return sum(answer == 1 for answer in answers)
