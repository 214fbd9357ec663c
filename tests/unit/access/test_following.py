"""Following the grants: what was written is known, cut off or not."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from a2a_node.access.following import Following
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.grant_ports import GrantChanges
from a2a_node.model.grants import NewGrant
from a2a_node.testing import MemoryGrants
from a2a_node.testing.losable import utc
from tests.unit.access.mesh import HABITS, meshed

NEW = NewGrant("person:dev", "person:ann", "agent:echo:invoke")


async def known(following: Following, count: int) -> None:
    """Wait until so many grants are known."""
    changed = asyncio.Event()
    following.listen(changed.set)
    while len(following.book) != count:
        changed.clear()
        await changed.wait()


async def test_what_another_node_gives_is_heard() -> None:
    """And what it takes back."""
    async with meshed() as mesh:
        grant, _ = await mesh.store.give(NEW)
        await known(mesh.following, 1)
        await mesh.store.revoke(grant.id)
        await known(mesh.following, 0)


async def test_what_was_missed_is_read_when_the_store_is_back() -> None:
    """Meanwhile decisions go on from memory."""
    async with meshed() as mesh:
        grant = await mesh.give("person:dev", "person:ann", "agent:echo:invoke")
        mesh.store.lose()
        with pytest.raises(StoreUnavailable):
            await mesh.following.reached(mesh.following.book.revision + 1)
        assert mesh.may("person:ann", "agent:echo:invoke")
        mesh.store.recover()
        await mesh.store.revoke(grant.id)
        await known(mesh.following, 0)


async def test_another_database_than_before_is_read_whole() -> None:
    """A revision that is lower than what is known says so."""
    async with meshed() as mesh:
        for _ in range(3):
            await mesh.give("person:dev", "person:ann", "agent:echo:invoke")
        fresh = MemoryGrants(mesh.clock)
        await fresh.give(NEW)
        mesh.following._store = fresh  # noqa: SLF001 - nobody else exchanges a database behind its address
        mesh.store.lose()
        await known(mesh.following, 1)


async def test_a_start_without_the_store_fails_in_one_word() -> None:
    """Nobody is to decide from nothing."""
    store = MemoryGrants()
    store.lose()
    with pytest.raises(StoreUnavailable):
        async with Following.grants_of(store, HABITS):
            pass


class FarAway(MemoryGrants):
    """A store whose answers are on their way for a while."""

    async def snapshot(self) -> GrantChanges:
        """Everything, as it was when it was asked for."""
        everything = await super().snapshot()
        while utc() < everything.now + timedelta(milliseconds=5):
            pass
        return everything


async def test_the_time_is_never_behind_that_of_the_store() -> None:
    """However long its answers take: nothing holds here that has ended there."""
    async with Following.grants_of(FarAway(), HABITS) as following:
        there = utc()
        assert following.now() >= there


async def test_a_revision_that_does_not_come_is_not_waited_for_for_ever() -> None:
    """A store that has forgotten what it wrote is as good as none."""
    store = MemoryGrants()
    async with Following.grants_of(store, replace(HABITS, patience=0.01)) as following:
        with pytest.raises(StoreUnavailable):
            await following.reached(7)
