"""Turns: how far apart steps of runs begin."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from a2a_node.workflows.turns import Turns
from tests.unit.virtual import in_no_time

Told = Callable[[Turns], object]


def begun(waiting: int, apart: float, then: Told = id) -> Sequence[float]:
    """When so many begin that came at once; the engine is told something more a moment later."""

    async def scenario() -> list[float]:
        loop, found = asyncio.get_running_loop(), list[float]()
        turns = Turns(loop.time)
        turns.space(apart)

        async def one() -> None:
            await turns.turn()
            found.append(loop.time())

        tasks = [asyncio.create_task(one()) for _ in range(waiting)]
        await asyncio.sleep(0.001)
        then(turns)
        await asyncio.gather(*tasks)
        return found

    return in_no_time(scenario())


def test_nobody_waits_where_nothing_was_said() -> None:
    """All at once."""
    assert begun(100, 0.0) == [0.0] * 100


def test_each_begins_so_long_after_the_one_before() -> None:
    """The first at once."""
    assert begun(4, 0.01) == pytest.approx([0.0, 0.01, 0.02, 0.03])


def test_who_waits_goes_as_soon_as_that_is_allowed() -> None:
    """After the pause that has begun."""
    assert begun(4, 0.01, lambda turns: turns.space(0.0)) == pytest.approx([0.0, 0.01, 0.01, 0.01])


def test_a_step_that_is_given_up_leaves_its_place() -> None:
    """To whoever is next."""

    async def scenario() -> float:
        loop = asyncio.get_running_loop()
        turns = Turns(loop.time)
        turns.space(0.01)
        await turns.turn()
        gone, stays = (asyncio.create_task(turns.turn()) for _ in range(2))
        await asyncio.sleep(0.005)
        gone.cancel()
        await stays
        return loop.time()

    assert in_no_time(scenario()) == pytest.approx(0.01)
