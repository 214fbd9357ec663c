"""Lines to addresses: one for each, bounded, closed when nobody needs it. Nothing is dialled here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest

from a2a_node.mesh.lines import Bounds, Lines
from a2a_node.model.errors import NoInstance

BOUNDS = Bounds(lines=2, idle=300)


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@asynccontextmanager
async def opened(*addresses: str) -> AsyncIterator[tuple[Lines, Clock]]:
    """Lines that were used once, a second after each other."""
    clock = Clock()
    lines = Lines(BOUNDS, clock)
    for address in addresses:
        async with lines.taken(address, "a"):
            clock.now += 1
    yield lines, clock
    await lines.close()
    assert len(lines) == 0


async def test_an_address_has_one_line() -> None:
    """However often it is called, and by how many at a time."""
    async with opened("a:1") as (lines, _), lines.taken("a:1", "a") as one, lines.taken("a:1", "a") as other:
        assert one is other
        assert one.calls == 2
        assert len(lines) == 1


async def test_the_line_longest_unused_gives_way() -> None:
    """The others stay."""
    async with opened("a:1", "b:1", "a:1") as (lines, _):
        async with lines.taken("a:1", "a") as kept:
            pass
        async with lines.taken("c:1", "a"):
            assert len(lines) == 2
        async with lines.taken("a:1", "a") as again:
            assert again is kept


async def test_a_busy_line_never_gives_way() -> None:
    """When all are busy, a further address has to wait."""
    async with opened() as (lines, _), AsyncExitStack() as calls:
        for address in ("a:1", "b:1"):
            await calls.enter_async_context(lines.taken(address, "a"))
        assert lines.free("a:1")
        assert not lines.free("c:1")
        with pytest.raises(NoInstance):
            await calls.enter_async_context(lines.taken("c:1", "a"))
        await calls.aclose()
        assert lines.free("c:1")


async def test_an_idle_line_is_closed() -> None:
    """After its time, not before."""
    async with opened("a:1", "b:1") as (lines, clock):
        clock.now += 298.5
        await lines.tidy(lambda _: True)
        assert len(lines) == 2
        clock.now += 1
        await lines.tidy(lambda _: True)
        assert len(lines) == 1


async def test_a_line_whose_address_serves_nobody_is_closed() -> None:
    """Once its last call has ended."""
    async with opened("a:1", "b:1") as (lines, _):
        async with lines.taken("a:1", "a"):
            await lines.tidy(lambda _: False)
            assert len(lines) == 1
        await lines.tidy(lambda _: False)
        assert len(lines) == 0
