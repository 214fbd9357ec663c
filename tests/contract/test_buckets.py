"""What every store of buckets promises: each token once, and no more than burst and rate allow, whatever is lost."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from a2a_node.limits.reach import ALONE, SILENT
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.limit_ports import Buckets
from a2a_node.model.limits import Ask, Given, Rate
from tests.contract.buckets import BucketHouse, bucketing

RATE = Rate(0.01, 100)  # so slow that a test's own time adds nothing
ASK = Ask("h1", RATE, want=20, need=20, least=1, used=0, held=0, ttl=10.0)
NAME = "person:ann echo say"
SOON = 0.1  # seconds that a test takes, at most, between two questions


@pytest.fixture(params=["memory", "redis", "cluster"])
def buckets_url(request: pytest.FixtureRequest) -> str | None:
    """Where the buckets are; None in memory."""
    return None if request.param == "memory" else str(request.getfixturevalue(f"{request.param}_url"))


@pytest.fixture
async def house(buckets_url: str | None) -> AsyncIterator[BucketHouse]:
    """Buckets that nobody has used."""
    async with bucketing(buckets_url) as opened:
        yield opened


@pytest.fixture
def buckets(house: BucketHouse) -> Buckets:
    """The store itself."""
    return house.buckets


async def asked(buckets: Buckets, ask: Ask, known: int = 0, mark: int = 0) -> Given:
    """What is given for a question."""
    return (await buckets.lease(ask.holder, known, mark, (NAME, ask)))[1]


async def available(buckets: Buckets, rate: Rate = RATE, known: int = 0) -> tuple[int, int]:
    """The whole tokens of the bucket, and those leased."""
    level = await buckets.look(NAME, rate, known)
    return int(level.available), int(level.leased)


async def test_a_bucket_begins_full_and_gives_what_is_needed(buckets: Buckets) -> None:
    """And of what would be nice to have no more than half of the rest, so that others find something near the limit."""
    assert (await buckets.meet("h1", -1, 0)).since == 0
    assert await available(buckets) == (100, 0)
    assert await asked(buckets, ASK) == Given(20)
    assert await available(buckets) == (80, 20)
    assert (await asked(buckets, replace(ASK, holder="h2", want=80, need=10))).tokens == 45
    assert await available(buckets) == (35, 65)
    assert (await asked(buckets, replace(ASK, holder="h3", want=50, need=50, least=5))).tokens == 35


async def test_too_few_tokens_are_none_and_a_time_to_wait(buckets: Buckets) -> None:
    """Until as many as a call needs are there."""
    await asked(buckets, replace(ASK, want=97, need=97))
    given = await asked(buckets, replace(ASK, holder="h2", least=5))
    assert given.tokens == 0
    assert given.wait == pytest.approx(200, abs=2)
    assert (await asked(buckets, replace(ASK, holder="h2", least=3, need=3, want=3))).tokens == 3


async def test_who_gets_the_last_tokens_hears_how_long_it_takes_until_there_is_another(buckets: Buckets) -> None:
    """Also where they were fewer than needed; nobody has to ask again for that."""
    assert (await asked(buckets, replace(ASK, want=99, need=99))) == Given(99)
    last = await asked(buckets, replace(ASK, holder="h2", want=5, need=5))
    assert last.tokens == 1
    assert last.wait == pytest.approx(100, abs=2)


async def test_what_calls_wait_for_may_be_used_outright(house: BucketHouse, buckets: Buckets) -> None:
    """It is on no lease, and grows again from then on; what is ahead of calls is leased."""
    fast = Rate(10, 100)
    ask = replace(ASK, rate=fast, want=80, need=60, outright=True)
    assert (await asked(buckets, ask)).tokens == 80
    level = await buckets.look(NAME, fast, 0)
    assert (20 <= level.available <= 20 + 10 * SOON, level.leased) == (True, 20)
    await house.elapse(7)
    level = await buckets.look(NAME, fast, 0)
    assert level.available == pytest.approx(80, abs=1e-6)  # what is leased does not grow again
    assert (await asked(buckets, replace(ask, want=90, need=90, used=20))).tokens == 80
    assert await available(buckets, fast) == (0, 0)


async def test_a_token_that_is_there_almost_may_be_given_outright(house: BucketHouse, buckets: Buckets) -> None:
    """With the time that is missing, a twentieth of a token's at most; the next one takes that much longer."""
    ask = replace(ASK, rate=Rate(0.2, 1), want=1, need=1, outright=True)
    assert await asked(buckets, ask) == Given(1, 5.0)
    await house.elapse(4.3)
    assert (await asked(buckets, ask)).tokens == 0
    await house.elapse(0.5)
    assert (await asked(buckets, replace(ask, outright=False))).tokens == 0
    given = await asked(buckets, ask)
    assert given.tokens == 1
    assert given.early == pytest.approx(0.2, abs=SOON)
    assert given.wait == pytest.approx(5 + given.early, abs=1e-5)


async def test_what_was_used_outright_is_spent_under_another_limit_too(buckets: Buckets) -> None:
    """A higher one adds what was not used."""
    await asked(buckets, replace(ASK, outright=True))
    high = Rate(0.01, 1000)
    assert (await asked(buckets, replace(ASK, holder="h2", rate=high, want=1, need=1))).tokens == 1
    assert await available(buckets, high) == (979, 1)


async def test_what_comes_back_can_be_given_again(buckets: Buckets) -> None:
    """What was used cannot; what is neither used nor held comes back."""
    await asked(buckets, ASK)
    await asked(buckets, replace(ASK, want=0, need=0, least=0, used=5, held=8))
    assert await available(buckets) == (87, 8)
    await asked(buckets, replace(ASK, want=0, need=0, least=0, used=1, held=0))
    assert await available(buckets) == (94, 0)


async def test_an_ended_lease_is_lost_and_its_tokens_grow_again(house: BucketHouse, buckets: Buckets) -> None:
    """At the rate, and not before it has ended: it may have been used at its very end."""
    fast = Rate(10, 100)
    ask = replace(ASK, rate=fast, want=100, need=100)
    assert (await asked(buckets, ask)).tokens == 100
    await house.elapse(9.5)
    assert (await asked(buckets, replace(ask, holder="h2"))).tokens == 0
    await house.elapse(1.0)
    first = await asked(buckets, replace(ask, holder="h2"))
    assert first.tokens == 0
    await house.elapse(1.0)
    assert 10 <= (await asked(buckets, replace(ask, holder="h2"))).tokens <= 10 + 10 * SOON


async def test_a_lease_that_was_sat_on_and_then_used_brings_no_full_bucket(
    house: BucketHouse, buckets: Buckets
) -> None:
    """What is reported used only now was not refilled meanwhile."""
    fast = Rate(10, 100)
    ask = replace(ASK, rate=fast, want=100, need=100)
    await asked(buckets, ask)
    await house.elapse(9.0)
    assert (await asked(buckets, replace(ask, used=100))).tokens == 0


async def test_a_bucket_that_was_left_alone_is_full_again(house: BucketHouse, buckets: Buckets) -> None:
    """Also where the store has let go of it."""
    fast = Rate(10, 100)
    await asked(buckets, replace(ASK, rate=fast, want=100, need=100))
    await house.elapse(25)
    assert await available(buckets, fast) == (100, 0)


async def test_under_another_limit_a_bucket_holds_what_was_not_spent(buckets: Buckets) -> None:
    """Under a higher one that is more; a lower one cuts it off, and it is there again under the higher one."""
    await asked(buckets, ASK)
    high = Rate(0.01, 1000)
    assert (await asked(buckets, replace(ASK, holder="h2", rate=high, want=1, need=1))).tokens == 1
    assert await available(buckets, high) == (979, 21)
    low = Rate(0.01, 30)
    assert (await asked(buckets, replace(ASK, holder="h3", rate=low, want=50, need=50))).tokens == 9
    assert await available(buckets, low) == (0, 30)
    assert await available(buckets, high) == (970, 30)


async def test_a_limit_that_goes_down_and_up_again_gives_nothing_twice(house: BucketHouse) -> None:
    """What was spent grows again by the rate alone, also when the bucket is long full under the lower limit."""
    buckets = house.buckets
    await asked(buckets, replace(ASK, want=100, need=100))
    await asked(buckets, replace(ASK, want=0, need=0, least=0, used=100))
    low = Rate(0.01, 2)
    for _ in range(2):
        await asked(buckets, replace(ASK, rate=low, want=0, need=0, least=0))
        await house.elapse(500)
    assert await available(buckets, low) == (2, 0)
    assert await available(buckets) == (10, 0)


async def test_a_bucket_that_began_empty_holds_no_more_under_a_higher_limit(house: BucketHouse) -> None:
    """Nobody knows what was spent before."""
    buckets = house.buckets
    await buckets.meet("h1", -1, 0)
    await buckets.meet("h1", 0, ALONE)
    await house.elapse(501)
    since = (await buckets.meet("h1", 0, 0)).since
    assert await available(buckets, known=since) == (5, 0)
    await asked(buckets, replace(ASK, want=1, need=1), known=since)
    assert await available(buckets, Rate(0.01, 1000), known=since) == (4, 1)


async def test_what_was_taken_without_a_lease_is_charged(buckets: Buckets) -> None:
    """Also where that is more than the bucket holds."""
    await asked(buckets, replace(ASK, want=0, need=0, least=0, debt=30))
    assert await available(buckets) == (70, 0)
    given = await asked(buckets, replace(ASK, debt=80))
    assert given.tokens == 0
    assert given.wait == pytest.approx(1100, abs=2)


async def test_who_is_there_is_counted_until_it_leaves(house: BucketHouse, buckets: Buckets) -> None:
    """Or is silent for a while."""
    assert (await buckets.meet("h1", -1, 0)).holders == 1
    assert (await buckets.meet("h2", 0, 0)).holders == 2
    await buckets.give_back("h1", 0, [(NAME, replace(ASK, want=0, need=0, least=0))])
    assert (await buckets.meet("h2", 0, 0)).holders == 1
    await buckets.meet("h3", 0, 0)
    await house.elapse(4)
    assert (await buckets.meet("h2", 0, 0)).holders == 1


async def test_after_somebody_limited_alone_all_buckets_begin_empty(house: BucketHouse, buckets: Buckets) -> None:
    """At one moment a little later; whoever does not know of it is told, and is given nothing that counts."""
    fast = Rate(10, 100)
    ask = replace(ASK, rate=fast)
    await buckets.meet("h1", -1, 0)
    await asked(buckets, ask)
    marked = await buckets.meet("h2", 0, ALONE)
    assert 0 < marked.since - marked.now <= 750_000
    assert (await buckets.meet("h3", 0, ALONE)).since == marked.since
    memory, _ = await buckets.lease("h1", 0, 0, (NAME, ask))
    assert memory.since == marked.since
    before = await asked(buckets, ask, marked.since)
    assert before.tokens == 0
    assert 0 < before.wait <= 0.85
    assert (await asked(buckets, ask, 0)).stale
    since = marked.since - await house.elapse(1.75)
    assert 9 <= (await asked(buckets, replace(ask, want=100, need=100), since)).tokens <= 10 + 10 * SOON


async def test_a_long_silence_counts_only_where_nobody_else_was_heard(house: BucketHouse, buckets: Buckets) -> None:
    """Then everybody may have limited alone; or else only this one slept."""
    await buckets.meet("h1", -1, 0)
    await house.elapse(2)
    assert (await buckets.meet("h1", 0, SILENT)).since == 0
    await buckets.meet("h2", 0, 0)
    assert (await buckets.meet("h1", 0, SILENT)).since == 0
    await house.elapse(2)
    assert (await buckets.meet("h1", 0, SILENT)).since > 0


async def test_another_run_of_the_store_may_have_forgotten_something(house: BucketHouse, buckets: Buckets) -> None:
    """Unless nobody was there who could have told it something."""
    await buckets.meet("h1", -1, 0)
    await buckets.give_back("h1", 0, [])
    await house.restart()
    assert (await buckets.meet("h1", -1, 0)).since == 0
    await house.restart()
    lost = await buckets.meet("h1", 0, 0)
    assert 750_000 < lost.since - lost.now <= 1_750_000


async def test_a_store_that_was_emptied_is_found_out(house: BucketHouse, buckets: Buckets) -> None:
    """By whoever knew it before, also when a newcomer came first."""
    await buckets.meet("h1", -1, 0)
    await house.flush()
    lost = await buckets.meet("h1", 0, 0)
    assert lost.since > lost.now
    await house.flush()
    assert (await buckets.meet("h2", -1, 0)).since == 0
    again = await buckets.meet("h1", lost.since, 0)
    assert again.since > again.now
    await house.flush()
    assert (await buckets.meet("h3", -1, ALONE)).since > 0


async def test_without_redis_everything_fails_in_one_word(house: BucketHouse, buckets: Buckets) -> None:
    """At once."""
    await buckets.meet("h1", -1, 0)
    await house.lose()
    for question in (
        buckets.meet("h1", 0, 0),
        asked(buckets, ASK),
        buckets.give_back("h1", 0, []),
        buckets.look(NAME, RATE, 0),
    ):
        with pytest.raises(StoreUnavailable):
            await question
