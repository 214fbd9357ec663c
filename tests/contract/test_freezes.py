"""What every store of freezes promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import pytest

from a2a_node.model.errors import FreezeNotFound, StoreUnavailable
from a2a_node.model.freeze_ports import Freezes
from a2a_node.model.freezes import FreezeKind, FreezeTarget, NewFreeze, Progress, Unconfirmed
from a2a_node.store.freezes import PostgresFreezes
from a2a_node.testing import MemoryFreezes
from tests.contract import houses

AGED = "UPDATE freezes SET expires_at = expires_at - make_interval(secs => :seconds)"
ECHO, ADA = FreezeTarget(FreezeKind.AGENT, "echo"), FreezeTarget(FreezeKind.PRINCIPAL, "person:ada")


class House:
    """Freezes, and what a test can do to their surroundings."""

    def __init__(self, freezes: Freezes, elapse: houses.Elapse, lose: houses.Lose) -> None:
        self.freezes, self.elapse, self.lose = freezes, elapse, lose

    async def freeze(self, target: FreezeTarget = ECHO, ttl: float | None = None) -> str:
        """Freeze something; the freeze's id."""
        return (await self.freezes.freeze(NewFreeze(target, "it runs wild", "person:dev", ttl)))[0].id


@asynccontextmanager
async def housed(url: str | None) -> AsyncIterator[House]:
    """A house on a migrated database, or in memory when there is no URL."""
    async with houses.housed(url, MemoryFreezes, PostgresFreezes, AGED) as house:
        yield House(*house)


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[House]:
    """Nothing is frozen."""
    async with housed(registry_url) as opened, asyncio.timeout(60):
        yield opened


async def test_a_freeze_holds_until_it_is_lifted(house: House) -> None:
    """Who lifted it and when is kept; lifting it again changes nothing."""
    freeze, revision = await house.freezes.freeze(NewFreeze(ECHO, "it runs wild", "person:dev"))
    assert (freeze.target, freeze.reason, freeze.created_by, freeze.lifted_at) == (
        ECHO,
        "it runs wild",
        "person:dev",
        None,
    )
    lifted, later = await house.freezes.lift(freeze.id, "person:eve")
    assert (lifted.lifted_by, later > revision) == ("person:eve", True)
    assert lifted.lifted_at is not None
    again, same = await house.freezes.lift(freeze.id, "person:ada")
    assert (again, same) == (lifted, later)
    with pytest.raises(FreezeNotFound):
        await house.freezes.lift(str(uuid4()), "person:eve")


async def test_what_is_frozen_answers_the_freeze_that_holds(house: House) -> None:
    """Once that is lifted or over, there is a new one."""
    first = await house.freeze()
    assert await house.freeze() == first
    assert await house.freeze(ADA) != first
    await house.freezes.lift(first, "person:dev")
    second = await house.freeze(ttl=10)
    assert second != first
    await house.elapse(11)
    assert await house.freeze() not in (first, second)


async def test_freezes_are_listed_the_newest_first(house: House) -> None:
    """Those that hold, or all; of one target, or of any; page by page."""
    ids = [await house.freeze(FreezeTarget(FreezeKind.AGENT, f"agent-{number}")) for number in range(5)]
    await house.freezes.lift(ids[2], "person:dev")
    everything = await house.freezes.list(None, None, 10, lifted=True)
    assert {freeze.id for freeze in everything} == set(ids)
    assert ids[2] not in [freeze.id for freeze in await house.freezes.list(None, None, 10, lifted=False)]
    page = await house.freezes.list(None, None, 2, lifted=True)
    rest = await house.freezes.list(None, (page[-1].created_at, page[-1].id), 10, lifted=True)
    assert [*page, *rest] == everything
    of = FreezeTarget(FreezeKind.AGENT, "agent-3")
    assert [freeze.id for freeze in await house.freezes.list(of, None, 10, lifted=True)] == [ids[3]]


async def test_nodes_confirm_for_themselves(house: House) -> None:
    """The latest word of each counts."""
    freeze, other = await house.freeze(), await house.freeze(ADA)
    named = (Unconfirmed("c1", "echo", "i1"), Unconfirmed("c2", "echo", lost=True))
    await house.freezes.confirm([Progress(freeze, "n1", 1, 2, named)])
    assert await house.freezes.progress([freeze]) == [Progress(freeze, "n1", 1, 2, named)]
    await house.freezes.confirm([Progress(freeze, "n1", 0, 3), Progress(freeze, "n2"), Progress(other, "n1", 1, 0)])
    await house.freezes.confirm([Progress(freeze, "n1", 3, 0)])
    assert await house.freezes.progress([freeze]) == [Progress(freeze, "n1", 3, 0), Progress(freeze, "n2", 0, 0)]
    assert await house.freezes.progress([]) == []


async def test_changes_are_heard_of_and_read(house: House) -> None:
    """With their revisions; a lifted one among them, and not in a snapshot."""
    before = (await house.freezes.snapshot()).revision
    async with house.freezes.revisions() as revisions:
        freeze = await house.freeze()
        assert await anext(revisions) > before
    changes = await house.freezes.changes(before)
    assert changes is not None
    assert [one.id for one in changes.freezes] == [freeze]
    await house.freezes.lift(freeze, "person:dev")
    later = await house.freezes.changes(changes.revision)
    assert later is not None
    assert [one.lifted_by for one in later.freezes] == ["person:dev"]
    assert (await house.freezes.snapshot()).freezes == []
    assert await house.freezes.changes(later.revision + 100) is None


async def test_without_the_store_everything_fails_fast(house: House) -> None:
    """Nothing is half done."""
    house.lose()
    for attempt in (house.freeze(), house.freezes.snapshot(), house.freezes.progress(["f"]), house.freezes.changes(0)):
        with pytest.raises(StoreUnavailable):
            await attempt
