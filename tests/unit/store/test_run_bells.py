"""Bells of runs: what is told of one run goes together, and what is urgent takes the rest along."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

from a2a_node.store.redis import Redis
from a2a_node.store.run_bells import LARGEST, LOOK, RunBells
from a2a_node.store.run_told import rung
from a2a_node.store.wakeups import Wakeups

STEP = '[[{0}, "2030-01-01T00:00:00+00:00", "step", {{}}]]'


class Line:
    """Stands for Redis: keeps each trip, and says when the first has come."""

    def __init__(self) -> None:
        self.trips: list[list[tuple[str, str]]] = []
        self.came = asyncio.Event()

    async def ask(self, _: str, channel: str, told: str) -> None:
        """One command."""
        self.trips.append([(channel, told)])
        self.came.set()

    async def ask_all(self, commands: Sequence[tuple[str, str, str]]) -> None:
        """Many."""
        self.trips.append([(channel, told) for _, channel, told in commands])
        self.came.set()


async def rang(*bells: tuple[str, str | None, bool]) -> list[list[tuple[str, str]]]:
    """The trips of bells that are rung at once."""
    line = Line()
    some = RunBells(cast("Redis", line), cast("Wakeups", None))
    for run_id, told, lazily in bells:
        some.ring(run_id, told, lazily=lazily)
    sending = asyncio.create_task(some.send())
    async with asyncio.timeout(60):
        await line.came.wait()
    sending.cancel()
    return line.trips


async def test_what_one_run_tells_goes_together() -> None:
    """In order, as if it had been told at once; other runs' bells go with it."""
    told = await rang(("a", STEP.format(1), True), ("b", STEP.format(7), True), ("a", STEP.format(2), False))
    ((first, second),) = told
    assert (first[0], second[0]) == ("a2a:run:{a}", "a2a:run:{b}")
    assert [row[0] for row in rung([first[1].encode()], 0) or ()] == [1, 2]
    assert [row[0] for row in rung([second[1].encode()], 6) or ()] == [7]


async def test_who_need_not_hurry_is_heard_all_the_same() -> None:
    """A little later."""
    assert await rang(("a", STEP.format(1), True)) == [[("a2a:run:{a}", STEP.format(1))]]


async def test_what_is_too_much_together_says_that_somebody_should_look() -> None:
    """So does a bell that tells nothing."""
    half = f'[[1, "", "progress", "{"x" * (LARGEST // 2)}"]]'
    assert await rang(("a", half, True), ("a", half, False)) == [[("a2a:run:{a}", LOOK)]]
    assert await rang(("a", STEP.format(1), True), ("a", None, False)) == [[("a2a:run:{a}", LOOK)]]
