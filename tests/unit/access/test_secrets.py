"""The mesh's secrets as a node knows them: read again and again, and kept while the store is away."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from a2a_node.access.secrets import Secrets
from a2a_node.model.secrets import ROTATION, SETTLING
from a2a_node.testing import Clock, MemorySecrets

START = datetime(2030, 1, 1, tzinfo=UTC).timestamp()


async def test_time_is_the_stores_and_goes_on_by_the_nodes_clock() -> None:
    """However the clock of the node stands."""
    ticks = [100.0]
    async with Secrets.following(MemorySecrets(Clock()), clock=lambda: ticks[0]) as secrets:
        assert secrets.now() == START
        ticks[0] += 7
        assert secrets.now() == START + 7


async def test_two_nodes_have_the_same_secret_and_its_successor() -> None:
    """The next one is made by whoever looks first, and used by both a minute later."""
    clock = Clock()
    store = MemorySecrets(clock)
    ticks = [0.0]
    async with (
        Secrets.following(store, clock=lambda: ticks[0]) as one,
        Secrets.following(store, clock=lambda: ticks[0]) as two,
    ):
        before = one.signing()
        assert before == two.signing() == two.find(before.id)
        clock.advance(ROTATION)
        ticks[0] += ROTATION
        await one.read()
        await two.read()
        assert one.signing() == two.signing() == before
        ticks[0] += SETTLING
        assert one.signing() == two.signing() != before
        assert two.find(before.id) == before
        assert two.find(b"?" * 16) is None


async def test_what_stands_in_the_store_is_not_enough_where_there_is_a_passphrase() -> None:
    """Nodes with the same one have the same secret; without it, or with another, it is another."""
    store = MemorySecrets()
    async with (
        Secrets.following(store, "pass") as one,
        Secrets.following(store, "pass") as two,
        Secrets.following(store, "other") as three,
        Secrets.following(store) as four,
    ):
        assert one.signing() == two.signing()
        keys = {each.signing().key for each in (one, two, three, four)}
        assert len(keys) == 3
        assert len({each.signing().id for each in (one, two, three, four)}) == 1


async def test_those_in_memory_stay_good_while_the_store_is_away() -> None:
    """It is asked again all the while."""
    store = MemorySecrets()
    async with Secrets.following(store, reread=0.001) as secrets:
        before = secrets.signing()
        store.lose()
        await asyncio.sleep(0.01)
        assert secrets.signing() == before
        store.recover()
        await secrets.read()
        assert secrets.signing() == before
