"""What every store of schedules promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import text

from a2a_node.model.schedules import Schedules
from a2a_node.model.workflows import AgentCall, Template, TemplateStep
from a2a_node.store.postgres import connected
from a2a_node.store.schedules import PostgresSchedules
from a2a_node.store.templates import PostgresTemplates
from a2a_node.testing import MemorySchedules

MINUTE = datetime(2026, 11, 27, 3, 0, tzinfo=UTC)
AGED = text("UPDATE workflow_schedules SET taken_at = taken_at - make_interval(secs => :seconds)")


@dataclass
class House:
    """A store, how a template is put there, and how time passes."""

    schedules: Schedules
    put: Callable[[str, str, bytes], Awaitable[None]]
    elapse: Callable[[float], Awaitable[None]]


@asynccontextmanager
async def in_memory() -> AsyncIterator[House]:
    """The twin."""
    twin = MemorySchedules(MINUTE)

    async def put(name: str, schedule: str, authority: bytes) -> None:
        if schedule:
            twin.put(name, schedule, MINUTE, authority)
        else:
            twin.drop(name)

    async def elapse(seconds: float) -> None:
        twin.advance(seconds)

    yield House(twin, put, elapse)


@asynccontextmanager
async def in_postgres(url: str) -> AsyncIterator[House]:
    """The real one, beside the templates."""
    async with connected(url) as database:
        templates = PostgresTemplates(database)

        async def put(name: str, schedule: str, authority: bytes) -> None:
            template = Template(name, steps=(TemplateStep("a", AgentCall("echo")),), schedule=schedule)
            await templates.put(template, f"{name} {schedule}", "person:ann", None, authority)

        async def elapse(seconds: float) -> None:
            await database.fetch(AGED, {"seconds": seconds})

        yield House(PostgresSchedules(database), put, elapse)


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[House]:
    """Each of them."""
    async with in_memory() if registry_url is None else in_postgres(registry_url) as opened:
        yield opened


async def test_the_timetable_says_what_the_newest_versions_say(house: House) -> None:
    """Those with a schedule alone, by whose authority, and the time of the store."""
    await house.put("nightly", "0 3 * * *", b"ann")
    await house.put("never", "0 4 * * *", b"ann")
    await house.put("never", "", b"ann")
    await house.put("nightly", "0 5 * * *", b"bob")
    table = await house.schedules.timetable()
    (one,) = table.scheduled
    assert (one.template, one.version, one.schedule, one.authority) == ("nightly", 2, "0 5 * * *", b"bob")
    assert (one.minute, one.outcome) == (None, "")
    assert timedelta(0) <= table.now - one.created_at < timedelta(minutes=5)


async def test_of_all_who_try_to_take_a_minute_up_one_wins(house: House) -> None:
    """And no one wins it later, nor one before it."""
    await house.put("nightly", "* * * * *", b"ann")
    tries = await asyncio.gather(*(house.schedules.take("nightly", MINUTE, 20) for _ in range(10)))
    assert sum(tries) == 1
    await house.schedules.settle("nightly", MINUTE, "started")
    (one,) = (await house.schedules.timetable()).scheduled
    assert (one.minute, one.outcome) == (MINUTE, "started")
    await house.elapse(100)
    assert not await house.schedules.take("nightly", MINUTE, 20)
    assert not await house.schedules.take("nightly", MINUTE - timedelta(minutes=1), 20)
    assert await house.schedules.take("nightly", MINUTE + timedelta(minutes=1), 20)
    (one,) = (await house.schedules.timetable()).scheduled
    assert (one.minute, one.outcome) == (MINUTE + timedelta(minutes=1), "")


async def test_a_minute_of_which_nobody_says_more_is_taken_up_again(house: House) -> None:
    """After the lease, by one; what becomes of an earlier minute says nothing of this one."""
    await house.put("nightly", "* * * * *", b"ann")
    assert await house.schedules.take("nightly", MINUTE, 20)
    assert not await house.schedules.take("nightly", MINUTE, 20)
    await house.elapse(21)
    tries = await asyncio.gather(*(house.schedules.take("nightly", MINUTE, 20) for _ in range(10)))
    assert sum(tries) == 1
    await house.schedules.settle("nightly", MINUTE - timedelta(minutes=1), "started")
    (one,) = (await house.schedules.timetable()).scheduled
    assert one.outcome == ""
