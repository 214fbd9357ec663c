"""Turns at an agent."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.mesh.slots import Slots
from a2a_node.model.errors import AgentOverloaded, NoInstance


async def waiting(slots: Slots, count: int) -> list[asyncio.Task[None]]:
    """So many calls that wait for a turn."""
    tasks = [asyncio.create_task(slots.take()) for _ in range(count)]
    await asyncio.sleep(0)
    return tasks


async def test_calls_beyond_the_size_wait_in_order() -> None:
    """The one that came first is the first to go on."""
    slots = Slots("a", 1)
    await slots.take()
    first, second = await waiting(slots, 2)
    slots.give()
    await first
    assert (second.done(), slots.taken, slots.waiting) == (False, 1, 1)
    slots.give()
    await second


async def test_a_slot_is_free_again_after_it_was_given_back() -> None:
    """However often."""
    slots = Slots("a", 2)
    for _ in range(5):
        await slots.take()
        await slots.take()
        slots.give()
        slots.give()
    assert slots.taken == 0


async def test_at_most_ten_times_as_many_wait() -> None:
    """The next one is refused at once, and told how many wait."""
    slots = Slots("a", 2)
    await slots.take()
    await slots.take()
    tasks = await waiting(slots, 20)
    with pytest.raises(AgentOverloaded) as refused:
        await slots.take()
    assert refused.value.variables["waiting"] == "20"
    slots.close(lambda: NoInstance("a"))
    await asyncio.gather(*tasks, return_exceptions=True)


async def test_a_call_that_is_cancelled_while_it_waits_takes_no_turn() -> None:
    """Neither its place nor its turn is lost to the others."""
    slots = Slots("a", 1)
    await slots.take()
    first, second = await waiting(slots, 2)
    first.cancel()
    await asyncio.wait([first])
    assert slots.waiting == 1
    slots.give()
    await second
    assert slots.taken == 1


async def test_a_turn_that_came_just_as_the_call_was_cancelled_goes_to_the_next() -> None:
    """Both at the same moment."""
    slots = Slots("a", 1)
    await slots.take()
    first, second = await waiting(slots, 2)
    slots.give()
    first.cancel()
    await second
    assert first.cancelled()


async def test_an_agent_that_goes_fails_whoever_waits_or_comes() -> None:
    """Each with a failure of its own."""
    slots = Slots("a", 1)
    await slots.take()
    tasks = await waiting(slots, 2)
    slots.close(lambda: NoInstance("a"))
    failures = await asyncio.gather(*tasks, return_exceptions=True)
    assert [type(failure) for failure in failures] == [NoInstance, NoInstance]
    assert failures[0] is not failures[1]
    with pytest.raises(NoInstance):
        await slots.take()
