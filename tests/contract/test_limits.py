"""What every store of limits promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.limit_ports import Limits
from a2a_node.model.limits import LimitKey, LimitSource, Rate
from a2a_node.store.limits import PostgresLimits
from a2a_node.store.postgres import connected
from a2a_node.testing import MemoryLimits
from tests.contract.registries import PATIENCE
from tests.integration.store.lines import lined

ANN, ECHO = LimitKey(principal="person:ann"), LimitKey(agent="echo")
Lose = Callable[[], None]


@asynccontextmanager
async def opened(url: str | None) -> AsyncIterator[tuple[Limits, Lose]]:
    """Limits, and how their store is lost."""
    if url is None:
        twin = MemoryLimits()
        yield twin, twin.lose
        return
    async with lined(url) as (through, line), connected(through, patience=PATIENCE) as postgres:
        yield PostgresLimits(postgres), line.cut


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[tuple[Limits, Lose]]:
    """Nothing is set yet."""
    async with opened(registry_url) as limits:
        yield limits


@pytest.fixture
def limits(house: tuple[Limits, Lose]) -> Limits:
    """The store itself."""
    return house[0]


async def test_a_limit_is_kept_as_it_was_set(limits: Limits) -> None:
    """By whom and when, with a revision that grows; a second one for the same key takes its place."""
    limit, first = await limits.put(ANN, Rate(0.5, 3), "person:dev")
    assert (limit.key, limit.rate, limit.source, limit.updated_by) == (
        ANN,
        Rate(0.5, 3),
        LimitSource.SET,
        "person:dev",
    )
    assert limit.updated_at is not None
    again, second = await limits.put(ANN, Rate(7, 8), "person:bob")
    other, third = await limits.put(LimitKey(), Rate(1, 1), "person:dev")
    assert first < second < third
    book = await limits.snapshot()
    assert (book.revision, {one.key: one for one in book.limits}) == (third, {ANN: again, LimitKey(): other})


async def test_a_limit_is_forgotten_once(limits: Limits) -> None:
    """Forgetting what is not there changes nothing."""
    _, before = await limits.put(ANN, Rate(1, 1), "person:dev")
    await limits.put(ECHO, Rate(1, 1), "person:dev")
    gone, revision = await limits.remove(ANN)
    assert gone
    assert revision > before
    assert await limits.remove(ANN) == (False, revision)
    assert [limit.key for limit in (await limits.snapshot()).limits] == [ECHO]


async def test_revisions_are_heard_as_they_are_committed(limits: Limits) -> None:
    """By whoever listens."""
    async with limits.revisions() as revisions, asyncio.timeout(20):
        _, revision = await limits.put(ANN, Rate(1, 1), "person:dev")
        assert await anext(revisions) == revision


async def test_changes_at_the_same_time_are_all_kept(limits: Limits) -> None:
    """Each under a revision of its own."""
    keys = [LimitKey(agent=f"a{number}") for number in range(10)]
    made = await asyncio.gather(*(limits.put(key, Rate(1, 1), "person:dev") for key in keys))
    assert len({revision for _, revision in made}) == len(keys)
    assert {limit.key for limit in (await limits.snapshot()).limits} == set(keys)


async def test_without_postgres_everything_fails_in_one_word(house: tuple[Limits, Lose]) -> None:
    """Within about a second, changes and questions alike."""
    limits, lose = house
    lose()
    for asked in (limits.put(ANN, Rate(1, 1), "person:dev"), limits.remove(ANN), limits.snapshot()):
        with pytest.raises(StoreUnavailable):
            await asked
