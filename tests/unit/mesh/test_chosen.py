"""Calls whose clients chose their ids: what is noted of them, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.chosen import Chosen
from a2a_node.mesh.returning import Returning
from a2a_node.model.call import Call
from a2a_node.model.call_ids import CallIds, is_of
from a2a_node.model.chosen_ids import ChosenId
from a2a_node.model.names import fresh_uuid
from a2a_node.model.principal import Principal
from a2a_node.testing import MemoryChosenIds, MemoryStreams
from tests.unit.mesh.calls import call

ADA, BOB = Principal("person", "ada"), Principal("person", "bob")
PATIENCE = 5.0


class Told(MemoryChosenIds):
    """A store that tells when it was asked to note something."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def note(self, chosen: object) -> None:
        """Note it, or fail."""
        try:
            await super().note(chosen)  # type: ignore[arg-type]
        finally:
            self.asked.set()


@pytest.fixture
async def house() -> AsyncIterator[tuple[Told, Chosen]]:
    """A store, and who notes calls in it."""
    store = Told()
    async with asyncio.timeout(PATIENCE), Chosen.noting(store, CallIds("one").fresh) as chosen:
        yield store, chosen


async def begun(notes: Chosen, *, chosen: bool = True, key: str = "") -> Call:
    """A call that has passed."""
    one = replace(call(key=key), id=fresh_uuid(), principal=ADA, chosen=chosen)

    async def serve(_: Call) -> None:
        """Do nothing."""

    await notes.layer(one, serve)
    return one


async def test_a_call_is_noted_under_the_id_that_its_client_chose(house: tuple[Told, Chosen]) -> None:
    """With one that names its node; one that a node made names that itself, and what is kept needs no note."""
    store, chosen = house
    others = [await begun(chosen, chosen=False), await begun(chosen, key="k")]
    one = await begun(chosen)
    await store.asked.wait()
    noted = await chosen.find(one.id)
    assert noted is not None
    assert (noted.principal, noted.agent, is_of(noted.made, "one")) == ("person:ada", "echo", True)
    assert [await chosen.find(other.id) for other in others] == [None, None]


async def test_a_store_that_is_away_holds_up_no_call(house: tuple[Told, Chosen]) -> None:
    """What begins then is not noted; what begins later is."""
    store, chosen = house
    store.lose()
    lost = await begun(chosen)
    await store.asked.wait()
    assert await chosen.find(lost.id) is None
    store.recover()
    store.asked.clear()
    one = await begun(chosen)
    await store.asked.wait()
    assert await chosen.find(one.id) is not None
    assert await chosen.find(lost.id) is None


@pytest.mark.parametrize(
    ("asker", "scopes", "own"),
    [(ADA, None, True), (BOB, None, False), (ADA, ("agent:other:invoke",), False)],
    ids=["its own", "another's", "a key for others"],
)
async def test_whoever_began_a_call_may_ask_for_it_on_any_node(
    asker: Principal,
    scopes: tuple[str, ...] | None,
    own: bool,  # noqa: FBT001
) -> None:
    """By a key that could begin it."""
    store, one = MemoryChosenIds(), fresh_uuid()
    await store.note([(ChosenId(one, fresh_uuid(), str(ADA), "echo"), 60.0)])
    returning = Returning(MemoryStreams(), Calls(), 15.0, store.find)
    asked = replace(call(), about=one, principal=asker, scopes=scopes, envelope=None)

    async def serve(_: Call) -> None:
        """Do nothing."""

    await returning.layer(asked, serve)
    assert asked.own is own
