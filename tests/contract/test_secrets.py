"""What every store of the mesh's secrets promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import time

import pytest
from sqlalchemy import text

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.secret_ports import MeshSecrets
from a2a_node.model.secrets import OVERLAP, ROTATION, SETTLING
from a2a_node.store.postgres import connected
from a2a_node.store.secrets import PostgresSecrets
from a2a_node.testing import Clock, MemorySecrets
from tests.contract.registries import PATIENCE
from tests.integration.store.lines import lined

AGED = text("UPDATE mesh_secrets SET made_at = made_at - make_interval(secs => :seconds)")


@dataclass(frozen=True, slots=True)
class House:
    """Secrets, and what a test can do to their surroundings."""

    secrets: MeshSecrets
    elapse: Callable[[float], Awaitable[None]]
    lose: Callable[[], Awaitable[None]]


@asynccontextmanager
async def housed(url: str | None) -> AsyncIterator[House]:
    """A mesh that has no secret yet."""
    if url is None:
        clock = Clock()
        twin = MemorySecrets(clock)

        async def advance(seconds: float) -> None:
            clock.advance(seconds)

        async def lose() -> None:
            twin.lose()

        yield House(twin, advance, lose)
        return
    async with lined(url) as (through, line), connected(through, patience=PATIENCE) as postgres:

        async def age(seconds: float) -> None:
            await postgres.fetch(AGED, {"seconds": seconds})

        async def cut() -> None:
            line.cut()

        yield House(PostgresSecrets(postgres), age, cut)


@pytest.fixture
async def secret_house(registry_url: str | None) -> AsyncIterator[House]:
    """The secrets under contract."""
    async with housed(registry_url) as opened:
        yield opened


async def test_all_who_look_at_once_get_one_secret(secret_house: House) -> None:
    """Whoever comes first makes it, for the whole mesh."""
    looks = await asyncio.gather(*(secret_house.secrets.current() for _ in range(8)))
    assert len({tuple(known) for _, known in looks}) == 1
    ((only,),) = {tuple(known) for _, known in looks}
    assert (len(only.id), len(only.key)) == (16, 32)
    assert all(0 <= now - only.made_at < 60 for now, _ in looks)


async def test_the_next_one_is_made_once_when_it_is_due(secret_house: House) -> None:
    """It stands behind the first, and both are believed."""
    _, (first,) = await secret_house.secrets.current()
    await secret_house.elapse(ROTATION + 1)
    looks = await asyncio.gather(*(secret_house.secrets.current() for _ in range(8)))
    assert {tuple(each.id for each in known) for _, known in looks} == {(first.id, looks[0][1][-1].id)}
    assert looks[0][1][0].key == first.key
    assert looks[0][1][-1].key != first.key


async def test_what_was_replaced_long_ago_is_forgotten(secret_house: House) -> None:
    """With the next one that is made."""
    _, (first,) = await secret_house.secrets.current()
    await secret_house.elapse(ROTATION + 1)
    _, (_, second) = await secret_house.secrets.current()
    await secret_house.elapse(ROTATION + SETTLING + OVERLAP)
    _, known = await secret_house.secrets.current()
    assert len(known) == 2
    assert known[0].id == second.id
    assert first.id not in [each.id for each in known]


async def test_it_says_when_the_store_is_away(secret_house: House) -> None:
    """Whoever asks goes on with what it has."""
    await secret_house.secrets.current()
    await secret_house.lose()
    with pytest.raises(StoreUnavailable):
        await secret_house.secrets.current()


async def test_the_time_is_the_stores(registry_url: str | None) -> None:
    """On one machine it is that of the machine."""
    if registry_url is None:
        return
    async with housed(registry_url) as opened:
        now, _ = await opened.secrets.current()
    assert abs(now - time()) < 60
