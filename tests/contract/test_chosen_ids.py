"""What every store of notes on calls whose clients chose their ids promises."""

from __future__ import annotations

from dataclasses import replace

import pytest

from a2a_node.model.chosen_ids import ChosenId, ChosenIds
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.names import fresh_uuid
from tests.contract.states import House

ADA = ChosenId(fresh_uuid(), fresh_uuid(), "person:ada lovelace", "engine")


@pytest.fixture
def chosen_ids(state_house: House) -> ChosenIds:
    """A store without notes."""
    return state_house.chosen_ids


async def test_what_is_noted_is_found_for_as_long_as_it_is_kept(chosen_ids: ChosenIds, state_house: House) -> None:
    """Each for itself, though all are noted in one trip."""
    other = replace(ADA, id=fresh_uuid())
    await chosen_ids.note([(ADA, 60.0), (other, 600.0)])
    assert [await chosen_ids.find(one.id) for one in (ADA, other)] == [ADA, other]
    await state_house.elapse(61)
    assert [await chosen_ids.find(one.id) for one in (ADA, other)] == [None, other]


async def test_an_id_stays_with_whoever_began_a_call_of_it(chosen_ids: ChosenIds) -> None:
    """Who may begin another, at another node; somebody else's call is not noted."""
    await chosen_ids.note([(ADA, 60.0)])
    await chosen_ids.note([(replace(ADA, principal="person:bob"), 60.0)])
    assert await chosen_ids.find(ADA.id) == ADA
    again = replace(ADA, made=fresh_uuid(), agent="loom")
    await chosen_ids.note([(again, 60.0)])
    assert await chosen_ids.find(ADA.id) == again


async def test_redis_away_is_said(chosen_ids: ChosenIds, state_house: House) -> None:
    """And what was noted before is there again with it."""
    await chosen_ids.note([(ADA, 60.0)])
    await state_house.lose()
    with pytest.raises(StoreUnavailable):
        await chosen_ids.find(ADA.id)
    with pytest.raises(StoreUnavailable):
        await chosen_ids.note([(ADA, 60.0)])
    await state_house.recover()
    assert await chosen_ids.find(ADA.id) == ADA
