"""The corners of the shared stores that tests are given."""

from __future__ import annotations

import asyncpg
import pytest
from redis.asyncio import Redis


@pytest.mark.parametrize("time", ["first", "second"])
async def test_every_test_has_a_database_of_its_own(postgres_url: str, time: str) -> None:
    """What one test makes, the next one does not meet."""
    connection = await asyncpg.connect(postgres_url)
    await connection.execute("CREATE TABLE mine (value text)")
    assert await connection.fetchval("SELECT count(*) FROM mine") == 0, time
    await connection.close()


@pytest.mark.parametrize("time", ["first", "second"])
async def test_every_test_has_an_empty_valkey(redis_url: str, time: str) -> None:
    """What one test sets, the next one does not meet."""
    async with Redis.from_url(redis_url) as client:
        assert await client.set("mine", 1, nx=True), time
