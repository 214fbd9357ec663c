"""Writers of one process take turns."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.turns import Turns


async def test_a_turn_is_had_alone_and_in_order() -> None:
    """Whoever asked first is first, and nobody begins before the one ahead has ended."""
    turns, seen = Turns(), list[str]()

    async def write(name: str) -> None:
        async with turns.taken():
            seen.append(f"{name} begins")
            await asyncio.sleep(0)
            seen.append(f"{name} ends")

    await asyncio.gather(write("first"), write("second"))
    assert seen == ["first begins", "first ends", "second begins", "second ends"]


async def test_one_who_finds_the_store_away_speaks_for_all_who_wait() -> None:
    """They do not try, one after the other; whoever comes later does."""
    turns, tried = Turns(), list[int]()

    async def write(number: int) -> None:
        async with turns.taken():
            tried.append(number)
            await asyncio.sleep(0)
            raise StoreUnavailable("postgres")

    outcomes = await asyncio.gather(*(write(number) for number in range(5)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [StoreUnavailable] * 5
    assert tried == [0]
    with pytest.raises(StoreUnavailable):
        await write(9)
    assert tried == [0, 9]


async def test_any_other_failure_is_the_writers_own() -> None:
    """The next in line has its turn."""
    turns = Turns()

    async def write(failure: Exception | None) -> None:
        async with turns.taken():
            await asyncio.sleep(0)
            if failure:
                raise failure

    outcomes = await asyncio.gather(write(KeyError()), write(None), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [KeyError, type(None)]
