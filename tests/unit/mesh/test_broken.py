"""What is told of the calls of a link that broke, without sockets."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.mesh.broken import APART, MOST, Begun, Broken, Remains, Told
from a2a_node.model.principal import Principal
from tests.unit.mesh.wires import PATIENCE, Heard, asked, linked

ONE = Principal("node", "one")


def test_calls_have_begun_whose_beginning_came() -> None:
    """Not those that were passed over, and those that were dropped."""
    begun = Begun()
    for number in (1, 2, 5, 4, 7):
        begun.add(number)
    begun.drop(2)
    assert [number for number in range(10) if number in begun] == [0, 1, 4, 5, 7]


@pytest.mark.parametrize("number", [APART + 2, 2**60], ids=["many", "far ahead"])
def test_what_cannot_be_remembered_counts_as_begun(number: int) -> None:
    """Memory is bounded, and nothing is begun twice."""
    begun = Begun()
    begun.add(number)
    assert 1 in begun
    assert number - 1 not in begun
    begun.drop(number)
    assert number - 1 in begun


def test_links_are_forgotten_the_oldest_first() -> None:
    """Of those nothing is known."""
    broken = Broken()
    for number in range(MOST + 1):
        broken.keep(str(number), Remains(ONE))
    assert broken.of("0") is None
    assert broken.of("1") is not None


async def test_a_link_is_ended_before_anything_is_said_of_its_calls() -> None:
    """By the node that has dialled it, and by nobody else; what comes on it afterwards begins nowhere."""
    async with linked() as pair:
        call = asyncio.ensure_future(pair.carry(asked("wait", Heard())))
        async with asyncio.timeout(PATIENCE):
            await pair.script.begun.wait()
            link_id = pair.link.id
            assert await pair.arrivals.told(link_id, Principal("node", "three"), [1, 2]) == Told()
            assert len(pair.arrivals) == 1
            assert await pair.arrivals.told(link_id, ONE, [1, 2]) == Told(unbegun=frozenset([2]))
            await pair.script.cancelled.wait()
            assert len(pair.arrivals) == 0
            assert await pair.arrivals.told(link_id, ONE, [1, 2]) == Told(unbegun=frozenset([2]))
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)


async def test_a_call_that_was_refused_has_not_begun() -> None:
    """Whatever became of the answer."""
    async with linked() as pair:
        await asyncio.gather(pair.carry(asked("refuse", Heard())), return_exceptions=True)
        assert await pair.arrivals.told(pair.link.id, ONE, [1]) == Told(unbegun=frozenset([1]))
