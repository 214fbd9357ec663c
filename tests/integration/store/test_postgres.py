"""A pool on Postgres: it says when Postgres is away, soon and in one word, and goes on by itself when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.postgres import Postgres, connected
from a2a_node.testing import Line
from tests.integration.store.lines import lined
from tests.integration.store.stores_at_work import running

LONG = 30.0  # seconds that no test takes
SHORT = 0.3  # seconds of patience, where a test waits for its end
READY = text("SELECT 1")
MAKE = text("CREATE TABLE kept (number int)")
KEEP = text("INSERT INTO kept VALUES (:number)")
READ = text("SELECT number FROM kept ORDER BY number")
HANG_UP = text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed'")
LABEL = text("SET application_name = 'doomed'")


async def keep_one_when(postgres: Postgres, event: Awaitable[None]) -> None:
    """Keep a number, in a transaction in the middle of which something happens."""
    async with postgres.writing() as transaction:
        await transaction.fetch(KEEP, {"number": 1})
        await event
        await transaction.fetch(READ)


async def answers(postgres: Postgres) -> None:
    """Ask until there is an answer: a busy machine may need longer than the patience of a test."""
    while True:
        with suppress(StoreUnavailable):
            return await postgres.ping()


async def cut(line: Line) -> None:
    """Break off every connection."""
    line.cut_connections()


async def fail() -> None:
    """Fail for a reason that Postgres has nothing to do with."""
    raise LookupError


async def test_a_server_that_is_not_there_is_away() -> None:
    """A refused connection is no riddle."""
    async with connected("postgresql://ann:secret@127.0.0.1:1/none") as postgres:
        with pytest.raises(StoreUnavailable):
            await postgres.ping()


async def test_a_server_that_does_not_answer_is_away(postgres_url: str) -> None:
    """Neither an old connection nor a new one is waited for long, and then all is well again."""
    async with asyncio.timeout(LONG), lined(postgres_url) as (url, line), connected(url, patience=SHORT) as postgres:
        for _ in range(2):
            line.hold()
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await postgres.ping()
            await line.restore()
            await answers(postgres)


async def test_a_pool_closes_although_the_server_does_not_answer(postgres_url: str) -> None:
    """Leaving the house is not held up by a farewell that nobody hears."""
    async with asyncio.timeout(LONG), lined(postgres_url) as (url, line), connected(url, patience=LONG) as postgres:
        await postgres.ping()
        line.hold()


async def test_a_connection_lost_in_a_transaction_takes_its_changes_along(postgres_url: str) -> None:
    """What was not committed never was; the next transaction finds a connection."""
    async with lined(postgres_url) as (url, line), connected(url, patience=LONG) as postgres:
        await postgres.fetch(MAKE)
        with pytest.raises(StoreUnavailable):
            await keep_one_when(postgres, cut(line))
        assert await postgres.fetch(READ) == []


async def test_a_failure_in_the_block_undoes_the_transaction(postgres_url: str) -> None:
    """And it is raised as it was."""
    async with connected(postgres_url, patience=LONG) as postgres:
        await postgres.fetch(MAKE)
        with pytest.raises(LookupError):
            await keep_one_when(postgres, fail())
        assert await postgres.fetch(READ) == []


async def test_terminated_connections_are_replaced(postgres_url: str) -> None:
    """A server that hung up, as a restart does, costs no request that comes after it."""
    async with connected(postgres_url, patience=LONG) as postgres, connected(postgres_url, patience=LONG) as other:
        await asyncio.gather(*(postgres.fetch(LABEL) for _ in range(5)))
        assert await other.fetch(HANG_UP)
        await asyncio.gather(*(postgres.ping() for _ in range(5)))


async def test_an_answer_that_takes_too_long_is_not_waited_for(postgres_url: str) -> None:
    """The statement is called off, and the connection serves others."""
    async with asyncio.timeout(LONG), connected(postgres_url, pool_size=1, patience=SHORT) as postgres:
        with pytest.raises(StoreUnavailable):
            await postgres.fetch(text("SELECT pg_sleep(60)"))
        await answers(postgres)


async def test_patience_is_with_each_statement(postgres_url: str) -> None:
    """A transaction may take longer than one answer."""
    async with connected(postgres_url, patience=2.0) as postgres, postgres.reading() as transaction:
        for _ in range(6):
            await transaction.fetch(text("SELECT pg_sleep(0.4)"))


async def test_a_pool_that_is_all_lent_out_is_away(postgres_url: str) -> None:
    """The wait for a connection is bounded too."""
    async with connected(postgres_url, pool_size=1) as postgres, postgres.reading() as transaction:
        await transaction.fetch(READY)
        with pytest.raises(StoreUnavailable):
            await postgres.ping()


async def test_a_reader_sees_one_state(postgres_url: str) -> None:
    """Whatever others commit meanwhile."""
    async with connected(postgres_url, patience=LONG) as postgres:
        await postgres.fetch(MAKE)
        async with postgres.reading() as transaction:
            before = await transaction.fetch(READ)
            await postgres.fetch(KEEP, {"number": 1})
            assert await transaction.fetch(READ) == before == []
        assert [row["number"] for row in await postgres.fetch(READ)] == [1]


async def test_a_refused_password_is_not_shown(postgres_url: str) -> None:
    """The failure names what Postgres said, and neither it nor the pool tells the password."""
    wrong = urlsplit(postgres_url)
    url = wrong._replace(netloc=f"{wrong.username}:not-the-word@{wrong.hostname}:{wrong.port}").geturl()
    async with connected(url, patience=LONG) as postgres:
        with pytest.raises(StoreUnavailable) as failure:
            await postgres.ping()
        shown = f"{failure.value} {failure.value.__cause__} {postgres!r} {postgres.engine!r} {postgres.dial!r}"
    assert "password authentication failed" in shown
    assert "not-the-word" not in shown


async def test_a_server_that_stops_and_starts_is_away_and_back(data_dir: Path) -> None:
    """Postgres itself goes away in the middle; the same pool serves on when it is back."""
    async with AsyncExitStack() as house:
        first = AsyncExitStack()
        addresses = await first.enter_async_context(running(data_dir))
        postgres = await house.enter_async_context(connected(addresses.postgres_url, patience=LONG))
        await postgres.fetch(MAKE)
        with pytest.raises(StoreUnavailable):
            await keep_one_when(postgres, first.aclose())
        with pytest.raises(StoreUnavailable):
            await postgres.ping()
        await house.enter_async_context(running(data_dir))
        assert await postgres.fetch(READ) == []


async def test_a_connection_that_is_believed_costs_one_round_trip(postgres_url: str) -> None:
    """For whoever asks again: a lost one fails once, and is replaced."""
    async with lined(postgres_url) as (through, line), connected(through, patience=5.0, believed=60.0) as postgres:
        await postgres.ping()
        line.cut()
        with pytest.raises(StoreUnavailable):
            await postgres.ping()
        await line.restore()
        await postgres.ping()
