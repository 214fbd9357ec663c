"""What callers see who keep to their limit, at whatever pace and through however many nodes: no refusal."""

from __future__ import annotations

import asyncio
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from a2a_node.limits.hand import REST
from a2a_node.limits.limiter import LONGEST
from a2a_node.model.limits import LimitKey, Rate
from tests.integration.limits.windows import Moment, certain_excess
from tests.unit.limits.house import BEGIN, Mesh

SINGLE = [Rate(0.1, 1), Rate(1, 1), Rate(2, 1), Rate(5, 1), Rate(20, 1)]
FEW = [Rate(2, 2), Rate(5, 5), Rate(100, 10), Rate(500, 50), Rate(1000, 1000)]
ROUNDING = 1e-3
OTHER = LimitKey("person:bob", "echo", "say")
TRIPS = [0.0, 0.001, 0.003, 0.02, 0.02, 0.3, 1.0, 2.0]  # seconds of a way: sometimes longer than a lease holds


async def refused(mesh: Mesh, calls: int, every: float, chance: random.Random) -> tuple[int, float]:
    """How many calls at that pace are refused, at nodes as chance has it, and how long the longest took."""
    longest = 0.0

    async def call() -> bool:
        nonlocal longest
        begun = mesh.now
        refusal = await mesh.call(chance.randrange(len(mesh.nodes)))
        longest = max(longest, mesh.now - begun)
        return refusal is not None

    begun = []
    for _ in range(calls):
        begun.append(asyncio.create_task(call()))
        await mesh.sleep(every)
    return sum(await asyncio.gather(*begun)), longest


@pytest.mark.parametrize("nodes", [1, 2, 3])
@pytest.mark.parametrize("part", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("rate", [*SINGLE, *FEW], ids=str)
async def test_nobody_who_keeps_to_the_limit_is_refused(rate: Rate, part: float, nodes: int) -> None:
    """Evenly, also where the bucket holds a single token: hardly one call in a hundred; and none waits long."""
    mesh = Mesh(rate, [1.0] * nodes)
    await mesh.begin()
    calls = min(1000, max(40, int(4 * rate.rate)))
    number, longest = await refused(mesh, calls, 1 / (part * rate.rate), random.Random(1))  # noqa: S311 - no secret
    assert number <= calls // 100
    assert longest <= LONGEST
    assert mesh.worst() <= rate.burst + ROUNDING


@pytest.mark.parametrize("rate", SINGLE, ids=str)
async def test_who_calls_twice_as_often_as_allowed_has_half_of_its_calls(rate: Rate) -> None:
    """And is refused at once, with the time until the next token."""
    mesh = Mesh(rate)
    await mesh.begin()
    for _ in range(20):
        assert await mesh.call() is None
        await mesh.elapse(0.5 / rate.rate)
        before, refusal = mesh.now, await mesh.call()
        assert refusal is not None
        assert refusal.retry_after == pytest.approx(max(0.5 / rate.rate, REST), rel=0.01)
        assert mesh.now == before
        await mesh.elapse(0.5 / rate.rate)


@pytest.mark.parametrize("nodes", [1, 2, 3])
@pytest.mark.parametrize("rate", [Rate(0.1, 1), Rate(1, 1), Rate(2, 1), Rate(5, 1), Rate(2, 2), Rate(10, 10)], ids=str)
async def test_who_calls_exactly_as_often_as_allowed_is_not_refused(rate: Rate, nodes: int) -> None:
    """However often: what an answer's way takes longer than another's does not add up."""
    mesh, chance = Mesh(rate, [1.0] * nodes), random.Random(2)  # noqa: S311 - no secret
    mesh.store.travel = lambda: mesh.sleep(chance.uniform(0.0005, 0.003))
    await mesh.begin()
    number, longest = await refused(mesh, 60, 1 / rate.rate, chance)
    assert (number, longest < 0.01) == (0, True)


async def test_a_call_that_comes_a_little_too_early_waits_for_its_token() -> None:
    """A twentieth of a token at most, whose clock is not to be trusted more than that."""
    mesh = Mesh(Rate(1, 1))
    await mesh.begin()
    assert await mesh.call() is None
    await mesh.elapse(0.94)
    assert await mesh.call() is not None
    await mesh.elapse(0.02)
    asked = len(mesh.store.moments)
    before = mesh.now
    assert await mesh.call() is None
    assert mesh.now - before == pytest.approx(0.04, rel=0.03)
    assert len(mesh.store.moments) == asked + 1
    assert mesh.worst() <= 1 + ROUNDING


async def test_of_calls_that_come_a_little_too_early_only_one_waits() -> None:
    """There will be but one token."""
    mesh = Mesh(Rate(1, 1))
    await mesh.begin()
    assert await mesh.call() is None
    await mesh.elapse(0.96)
    refusals = await asyncio.gather(*(mesh.call() for _ in range(5)))
    assert sum(refusal is None for refusal in refusals) == 1


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32), nodes=st.integers(1, 3), burst=st.sampled_from([1, 2, 10, 60]))
async def test_no_answer_comes_so_late_that_too_many_are_let_through(seed: int, nodes: int, burst: int) -> None:
    """Whoever looks on counts the calls that began and ended in a window, however long their tokens were on the way."""
    chance = random.Random(seed)  # noqa: S311 - it keeps no secret, it tells a story
    mesh = Mesh(Rate(chance.choice([1, 10, 100]), burst), [chance.uniform(0.99, 1.01) for _ in range(nodes)])
    mesh.store.travel = lambda: mesh.sleep(chance.choice(TRIPS))
    await mesh.begin()
    moments: list[Moment] = []

    async def call() -> None:
        begun = mesh.now
        if await mesh.call(chance.randrange(nodes), min(burst, chance.choice([1, 1, 3]))) is None:
            moments.append((begun, mesh.now))

    calls = []
    for _ in range(60):
        calls += [asyncio.create_task(call()) for _ in range(chance.choice([1, 1, 2, 10]))]
        await mesh.sleep(chance.choice([0.0, 0.0, 0.001, 0.1, 1.0]))
        if chance.random() < 0.2:
            calls[-1].cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert certain_excess(moments, mesh.rate.rate) <= burst + ROUNDING


async def test_what_a_call_that_was_given_up_leaves_is_had_by_nobody_once_it_has_grown_again() -> None:
    """Its token came late, and another one was there almost."""
    mesh = Mesh(Rate(1, 1))
    ways = iter([0.0, 0.97])
    mesh.store.travel = lambda: mesh.sleep(next(ways, 0.0))
    await mesh.begin()
    given_up = asyncio.create_task(mesh.call())
    await mesh.sleep(0.5)
    given_up.cancel()
    assert await mesh.call() is None
    assert mesh.now >= BEGIN + 1.0


async def test_an_answer_that_comes_later_than_a_lease_ends_is_not_taken() -> None:
    """Also where this node had been silent before: it asks again."""
    mesh = Mesh(Rate(1, 10))
    await mesh.begin()
    mesh.stall(1.0)
    ways = iter([0.0, 1.5])
    mesh.store.travel = lambda: mesh.sleep(next(ways, 0.0))
    assert await mesh.call() is None
    assert len(mesh.store.moments) == 2


async def test_a_store_that_is_slow_is_waited_for_by_calls_that_ask_it_only_now() -> None:
    """Also those under another limit, once it was missed: it was there a moment ago."""
    mesh = Mesh(Rate(100_000, 100_000), [1.0, 1.0])
    await mesh.begin()
    slow = asyncio.Event()
    mesh.store.travel = slow.wait
    first = asyncio.create_task(mesh.call())
    while not mesh.nodes[0].reach.away():  # noqa: ASYNC110 - nobody tells
        await asyncio.sleep(0)
    second = asyncio.create_task(mesh.nodes[0].take(OTHER, mesh.rate))
    while len(mesh.store.moments) < 2 and not second.done():  # noqa: ASYNC110 - as above
        await asyncio.sleep(0)
    slow.set()
    assert await first is None
    await second


async def test_a_store_that_failed_is_asked_once_for_each_bucket() -> None:
    """Whoever calls again is refused at once, until it answers."""
    mesh = Mesh(Rate(100_000, 100_000), [1.0, 1.0])
    await mesh.begin()
    mesh.store.lose()
    assert [await mesh.call() is None for _ in range(5)] == [False] * 5
    assert len(mesh.store.moments) == 1
