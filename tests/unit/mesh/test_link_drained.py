"""A link to a node that is about to stop: its calls go on there until it is known where its agents have gone."""

from __future__ import annotations

import asyncio

from tests.unit.mesh.wires import PATIENCE, Heard, asked, linked


async def test_calls_are_brought_until_it_is_known_where_agents_have_gone() -> None:
    """The node waits for that, and takes them meanwhile."""
    async with linked() as pair, asyncio.timeout(PATIENCE):
        await pair.link.ready()
        drained = asyncio.create_task(pair.arrivals.drain(7, PATIENCE))
        while pair.registry.wanted != [7]:  # noqa: ASYNC110 - what goes over the wire has no event
            await asyncio.sleep(0)
        await pair.carry(asked("say", heard := Heard()))
        assert (heard.texts, pair.link.leaving, drained.done()) == (["hello"], False, False)
        pair.registry.there.set()
        await drained
        assert pair.link.leaving


async def test_a_node_that_does_not_hear_is_waited_for_no_longer_than_there_is_time() -> None:
    """It may stand still."""
    async with linked() as pair, asyncio.timeout(PATIENCE):
        await pair.link.ready()
        await pair.arrivals.drain(7, 0.01)
        assert not pair.link.leaving


async def test_a_link_that_breaks_is_not_waited_for() -> None:
    """Nothing can follow on it."""
    async with linked() as pair:
        await pair.link.ready()
        drained = asyncio.create_task(pair.arrivals.drain(7, PATIENCE))
    async with asyncio.timeout(PATIENCE / 2):
        await drained


async def test_a_link_that_comes_late_is_asked_for_no_calls_from_the_start() -> None:
    """Its node has to read the registry, too."""
    async with linked(drains_at=7) as pair, asyncio.timeout(PATIENCE):
        pair.registry.there.set()
        while not pair.link.leaving:  # noqa: ASYNC110 - what goes over the wire has no event
            await asyncio.sleep(0)
        assert pair.registry.wanted == [7]
