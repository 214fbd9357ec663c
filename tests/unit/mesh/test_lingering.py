"""Work that outlives its call: what is remembered of it, and how its end is learnt."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.mesh.lingering import Lingering
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.call import Call

HERE = Instance("i1", "a", "n1", InstanceKind.ENDPOINT, address="127.0.0.1:1")


async def _rest(_: Call) -> None:
    """Nothing is left to do."""


def call(name: str) -> Call:
    """A call that is over."""
    return Call("/m", _rest, id=name, agent="a")


@pytest.mark.parametrize("over", [True, False])
async def test_work_lingers_until_its_end_is_known_or_never_will_be(*, over: bool) -> None:
    """The first word counts."""
    lingering = Lingering()
    work = lingering.add(call("c1"), HERE)
    assert [*lingering] == [*lingering.of("c1")] == [work]
    lingering.settle(work, over=over)
    lingering.settle(work, over=not over)
    assert await lingering.over(work) is over
    assert (len(lingering), lingering.of("c1")) == (0, ())


async def test_who_does_not_say_it_unasked_is_asked_when_somebody_wants_to_know() -> None:
    """And then once."""
    asked: list[str] = []

    async def ask() -> bool:
        asked.append("asked")
        return True

    lingering = Lingering()
    work = lingering.add(call("c1"), HERE, ask)
    await asyncio.sleep(0)
    assert not asked
    assert [await lingering.over(work), await lingering.over(work)] == [True, True]
    assert asked == ["asked"]
    assert len(lingering) == 0


async def test_the_oldest_is_forgotten_unless_somebody_follows_its_call() -> None:
    """However many calls are cancelled at a time, what is followed is told whole."""
    lingering = Lingering(most=2)
    followed = [lingering.follow(f"c{number}") for number in range(4)]
    works = [lingering.add(call(f"c{number}"), HERE) for number in (0, 0, 1, 2, 3)]
    assert [*lingering] == works[-2:]
    assert [works[:2], *([work] for work in works[2:])] == followed
    lingering.unfollow("c3")
    lingering.add(call("c3"), HERE)
    assert followed[3] == [works[-1]]
