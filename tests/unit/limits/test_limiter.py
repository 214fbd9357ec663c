"""The limiter: leases in memory, few trips, and a share of its own while the store is away."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.limits import limiter as module
from a2a_node.limits.limiter import LONGEST, Limiter, limiting
from a2a_node.model.errors import RateLimited
from a2a_node.model.limits import LimitKey, Rate
from a2a_node.testing import MemoryBuckets
from tests.unit.limits.house import BEGIN, KEY, Mesh


async def meshed(rate: Rate, nodes: int = 1) -> Mesh:
    """A mesh whose nodes have met the store."""
    mesh = Mesh(rate, [1.0] * nodes)
    await mesh.begin()
    return mesh


async def admitted(mesh: Mesh, calls: int, every: float = 0.0, number: int = 0) -> int:
    """How many of the calls are admitted."""
    before = len(mesh.admitted)
    for _ in range(calls):
        await mesh.elapse(every)
        await mesh.call(number)
    return len(mesh.admitted) - before


async def test_the_burst_is_admitted_and_then_the_rate() -> None:
    """And a refusal says how long it takes until there is a token."""
    mesh = await meshed(Rate(10, 100))
    assert await admitted(mesh, 300) == 100
    refusal = await mesh.call()
    assert refusal is not None
    assert refusal.retry_after == pytest.approx(0.1, abs=0.01)
    await mesh.elapse(refusal.retry_after or 0)
    assert await mesh.call() is None


@pytest.mark.parametrize("factor", [1.5, 3.0, 50.0])
async def test_nearly_all_that_is_allowed_is_admitted(factor: float) -> None:
    """Where one node carries all the load, at least 95 %, whatever more is asked for."""
    mesh = await meshed(Rate(50, 100))
    while mesh.now < BEGIN + 60:
        await admitted(mesh, 1, 1 / (50 * factor))
    assert len(mesh.admitted) >= 0.95 * (100 + 50 * 60)
    assert mesh.worst() <= 100 + 1e-6


@pytest.mark.parametrize(("rate", "pace"), [(Rate(1000, 1000), 100), (Rate(10_000, 5000), 2000), (Rate(500, 200), 150)])
async def test_a_busy_key_far_from_its_limit_rarely_asks_the_store(rate: Rate, pace: int) -> None:
    """At most once in twenty calls."""
    mesh = await meshed(rate)
    await admitted(mesh, pace, 1 / pace)
    before = trips(mesh)
    assert await admitted(mesh, 10 * pace, 1 / pace) == 10 * pace
    assert trips(mesh) - before <= 0.05 * 10 * pace


@pytest.mark.parametrize("workers", [1, 40])
@pytest.mark.parametrize("rate", [Rate(10, 100), Rate(5000, 50), Rate(2, 1), Rate(100, 1000)])
async def test_the_store_is_asked_at_most_twenty_times_a_second(rate: Rate, workers: int) -> None:
    """However many calls there are, and however many at once: in no second more often."""
    mesh = await meshed(rate)
    for _ in range(5000 // workers):
        await asyncio.gather(*(mesh.call() for _ in range(workers)))
        await mesh.elapse(0.001 * workers)
    moments = mesh.store.moments
    assert max(sum(begun <= moment < begun + 1.0 for moment in moments) for begun in moments) <= 20


@pytest.mark.parametrize("workers", [2, 64, 256])
async def test_no_call_far_below_the_limit_is_refused_however_many_are_under_way(workers: int) -> None:
    """Each caller asks again as soon as it was let through, and takes nobody's tokens who waits; none waits long."""
    mesh = await meshed(Rate(100_000, 100_000))
    told = await asyncio.gather(*(worked(mesh, 50) for _ in range(workers)))
    assert {refusal for refusals, _ in told for refusal in refusals} == set()
    assert max(longest for _, longest in told) <= LONGEST
    assert len(mesh.admitted) == 50 * workers


@pytest.mark.parametrize("cost", [1, 3])
async def test_whoever_waits_for_tokens_gets_them_before_those_who_come_later(cost: int) -> None:
    """A caller that has been let through stands behind those who wait when it calls again."""
    mesh = await meshed(Rate(100_000, 100_000))
    order: list[int] = []

    async def work(number: int) -> None:
        for _ in range(3):
            assert await mesh.call(cost=cost) is None
            order.append(number)

    await asyncio.gather(*(work(number) for number in range(20)))
    assert sorted(order[:20]) == list(range(20))


@pytest.mark.parametrize("pace", [100, 300])
async def test_calls_within_the_limit_wait_for_the_next_trip_where_a_hand_can_hold_few(pace: int) -> None:
    """A fast small bucket is asked for more often than the store may be asked: nobody is refused, or waits long."""
    mesh = await meshed(Rate(5000, 50))
    calls: list[asyncio.Task[tuple[list[str], float]]] = []
    for _ in range(3 * pace):
        calls.append(asyncio.create_task(worked(mesh, 1)))
        await mesh.sleep(1 / pace)
    told = await asyncio.gather(*calls)
    assert [refusal for refusals, _ in told for refusal in refusals] == []
    assert max(longest for _, longest in told) <= LONGEST
    assert mesh.worst() <= 50 + 1e-6


@pytest.mark.parametrize("burst", [500, 1000])
async def test_a_burst_one_call_after_the_other_is_admitted_whole(burst: int) -> None:
    """However slowly the bucket grows, which lets few be had ahead."""
    mesh = await meshed(Rate(0.001, burst))
    assert await admitted(mesh, burst + 10, 0.0001) == burst


@pytest.mark.parametrize(("rate", "first"), [(Rate(10, 100), 0.1), (Rate(5000, 50), 0.05), (Rate(0.1, 7), 10)])
async def test_more_at_once_than_a_bucket_holds_are_refused_at_once(rate: Rate, first: float) -> None:
    """By a trip or two, for the store has said that it has too few; and told when to come back."""
    mesh = await meshed(rate)
    refusals = [refusal for refusal in await asyncio.gather(*(mesh.call() for _ in range(300))) if refusal]
    assert len(refusals) == 300 - rate.burst
    assert [refusal.retry_after for refusal in refusals] == pytest.approx([first] * len(refusals), rel=0.1)
    assert mesh.now == BEGIN
    assert trips(mesh) <= 2


async def test_of_calls_far_above_the_limit_most_are_refused_at_once() -> None:
    """Only as many wait for the next trip as the bucket gains until then; hardly anything of the rate is lost."""
    mesh = await meshed(Rate(50, 100))
    calls: list[asyncio.Task[tuple[list[str], float]]] = []
    for _ in range(5000):
        calls.append(asyncio.create_task(worked(mesh, 1)))
        await mesh.sleep(0.001)
    told = await asyncio.gather(*calls)
    waited = sorted(longest for refusals, longest in told if refusals)
    assert waited[len(waited) * 9 // 10] == 0
    assert waited[-1] <= LONGEST
    assert len(mesh.admitted) >= 0.95 * (100 + 50 * 5)
    assert mesh.worst() <= 100 + 1e-6


async def test_a_caller_that_gave_up_leaves_its_place_in_the_line() -> None:
    """Its tokens are the next one's."""
    mesh = await meshed(Rate(0.001, 10))
    calls = [asyncio.create_task(mesh.call()) for _ in range(10)]
    await asyncio.sleep(0)
    for call in calls[:5]:
        call.cancel()
    await asyncio.gather(*calls, return_exceptions=True)
    assert await admitted(mesh, 10) == 5


async def test_what_costs_more_than_a_bucket_holds_is_never_admitted() -> None:
    """And no time is told after which it would be."""
    mesh = await meshed(Rate(10, 5))
    refusal = await mesh.call(cost=6)
    assert refusal is not None
    assert (refusal.retryable, refusal.retry_after) == (False, None)
    assert await mesh.call(cost=5) is None


async def test_without_the_store_one_node_goes_on_at_the_rate() -> None:
    """From an empty bucket; afterwards the store's own is charged with what was admitted, and with nothing else."""
    mesh = await meshed(Rate(10, 100))
    assert await admitted(mesh, 150) == 100
    mesh.store.lose()
    assert 27 <= await admitted(mesh, 300, 0.01) <= 30
    assert mesh.nodes[0].alone()
    mesh.store.recover()
    await mesh.elapse(1.0)
    assert not mesh.nodes[0].alone()
    assert 9 <= await admitted(mesh, 100) <= 13
    assert mesh.worst() <= 100


async def test_without_the_store_each_of_three_has_a_third() -> None:
    """Together no more than the rate, and no less than nearly that."""
    mesh = await meshed(Rate(30, 30), nodes=3)
    mesh.store.lose()
    await mesh.elapse(1.0)
    counts = []
    for _ in range(300):
        await mesh.elapse(0.01)
        counts.append(sum([await mesh.call(number) is None for number in range(3)]))
    assert 80 <= sum(counts) <= 90 + 30
    assert mesh.worst() <= 30


async def test_a_share_that_cannot_hold_a_call_admits_none() -> None:
    """Rather than too much."""
    mesh = await meshed(Rate(10, 2), nodes=3)
    mesh.store.lose()
    await mesh.elapse(5.0)
    assert await mesh.call() is not None


async def test_a_node_that_never_met_the_store_has_a_share_where_its_peers_are_known() -> None:
    """It starts, and calls go on."""
    mesh = Mesh(Rate(10, 100))
    mesh.store.lose()
    await mesh.begin()
    await mesh.elapse(2.0)
    assert await mesh.call() is None
    stranger = Limiter(mesh.store, "s", lambda: 0, lambda: mesh.now)
    await stranger.begin()
    with pytest.raises(RateLimited, match="has not been heard yet"):
        await stranger.take(KEY, mesh.rate)


async def test_a_lease_goes_back_when_the_limiter_ends() -> None:
    """Nobody has to wait for it."""
    store = MemoryBuckets()
    async with limiting(store, "n1", lambda: 1) as limiter:
        for _ in range(10):
            await limiter.take(KEY, Rate(0.001, 100))
    level = await store.look(" ".join(KEY), Rate(0.001, 100), 0)
    assert (round(level.available), level.leased) == (90, 0)


async def test_buckets_in_hand_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest is dropped for a new one; it comes back with what the store knows of it."""
    monkeypatch.setattr(module, "MOST", 5)
    mesh = await meshed(Rate(0.001, 3))
    for number in range(20):
        await mesh.nodes[0].take(LimitKey(f"person:p{number}", "echo", "say"), mesh.rate)
    assert len(mesh.nodes[0]) == 5
    first = LimitKey("person:p0", "echo", "say")
    assert sum([await taken(mesh, first) for _ in range(5)]) <= 2


async def test_another_limit_holds_from_the_next_call_on() -> None:
    """Under a higher one the bucket holds the difference at once; a lower one cuts it off, and it comes back."""
    mesh = await meshed(Rate(0.001, 10))
    assert await admitted(mesh, 20) == 10
    mesh.rate = Rate(0.001, 30)
    assert await mesh.call() is None
    mesh.rate = Rate(0.001, 5)
    await mesh.elapse(2)
    assert await admitted(mesh, 20) == 5
    mesh.rate = Rate(0.001, 30)
    assert 10 <= await admitted(mesh, 40) <= 14
    assert mesh.worst() <= 30


async def test_a_faster_limit_is_not_waited_for_by_the_slower_one() -> None:
    """Neither is what the store said of that one told to callers any more."""
    mesh = await meshed(Rate(0.05, 3))
    assert await admitted(mesh, 5) == 3
    mesh.rate = Rate(10, 3)
    refusal = await mesh.call()
    assert refusal is not None
    assert refusal.retry_after == pytest.approx(0.1, abs=0.01)
    await mesh.elapse(0.1)
    assert await mesh.call() is None


async def test_what_was_asked_under_the_old_limit_keeps_nobody_from_the_new_one() -> None:
    """The last token of the old bucket was on its way, and the word that there is none after it."""
    mesh = await meshed(Rate(0.05, 3))
    assert await admitted(mesh, 2) == 2
    asked, before = trips(mesh), asyncio.create_task(mesh.call())
    while trips(mesh) == asked:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    mesh.rate = Rate(0.05, 30)
    assert await mesh.call() is None
    assert await before is None


@pytest.mark.parametrize("nodes", [1, 2])
@pytest.mark.parametrize("every", [0.0, 0.3, 1.2, 2.0, 5.0])
@pytest.mark.parametrize("burst", [2, 3, 5, 9])
async def test_a_small_slow_bucket_loses_nothing_in_the_hands_of_nodes(burst: int, every: float, nodes: int) -> None:
    """Whoever may call three times a minute may do so at any pace, and through any node."""
    mesh = await meshed(Rate(burst / 60, burst), nodes)
    for number in range(burst):
        await mesh.elapse(every)
        assert await mesh.call(number % nodes) is None


async def test_what_is_lost_in_hands_grows_again_within_a_lease_or_is_little() -> None:
    """After a burst that ended: a tenth of a bucket that grows slowly."""
    mesh = await meshed(Rate(0.1, 100))
    assert await admitted(mesh, 50, 0.001) == 50
    await mesh.elapse(3.0)
    assert 40 <= await admitted(mesh, 60, 0.001) <= 50


async def test_who_calls_far_below_the_limit_is_not_refused_after_a_stall_of_all_nodes() -> None:
    """Buckets begin empty then, and a call waits until there is a token, a quarter of a second at most."""
    for stalled in (0.95, 1.4, 2.0, 5.0):
        mesh = await meshed(Rate(100, 100), nodes=3)
        for number in range(30):
            await mesh.elapse(0.02)
            assert await mesh.call(number % 3) is None
        mesh.stall(stalled)
        for number in range(60):
            assert await mesh.call(number % 3) is None, (stalled, number)
            await mesh.elapse(0.05)
        assert mesh.worst() <= 100


async def test_a_call_waits_no_longer_for_a_slow_bucket_that_begins_empty() -> None:
    """It is told when to come again."""
    mesh = await meshed(Rate(1, 10), nodes=2)
    assert await mesh.call() is None
    mesh.stall(1.0)
    before = mesh.now
    refusal = await mesh.call()
    assert refusal is not None
    assert mesh.now - before < 0.25


async def worked(mesh: Mesh, calls: int) -> tuple[list[str], float]:
    """Call that often, one call after the other; what refusals said, and how long the longest call took."""
    refusals, longest = [], 0.0
    for _ in range(calls):
        begun = mesh.now
        if refusal := await mesh.call():
            refusals.append(refusal.message)
        longest = max(longest, mesh.now - begun)
    return refusals, longest


async def taken(mesh: Mesh, key: LimitKey) -> bool:
    """Whether a call under that key is admitted."""
    try:
        await mesh.nodes[0].take(key, mesh.rate)
    except RateLimited:
        return False
    return True


def trips(mesh: Mesh) -> float:
    """How often the store was asked for tokens."""
    return sum(mesh.nodes[0].tallies.read(lambda counts: counts.redis_trips).values())
