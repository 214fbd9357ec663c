"""The directory follows the registry, whatever happens to the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace

import pytest

from a2a_node.mesh.directory import Directory
from a2a_node.mesh.entries import Entry
from a2a_node.mesh.news import Event, Removed, Sign
from a2a_node.model.errors import AgentNotFound, StoreUnavailable, TooManySubscribers
from a2a_node.model.registry_ports import Changes, Snapshot
from a2a_node.testing import MemoryRegistry, MemoryRevisions
from tests.unit.mesh.samples import OWNER, QUICK, agent, endpoint, joined, known, registered

PATIENCE = 5.0


class Mute(MemoryRegistry):
    """A registry whose word of changes is lost."""

    @asynccontextmanager
    async def revisions(self) -> AsyncIterator[MemoryRevisions]:
        """Nothing is ever heard."""
        yield MemoryRevisions()


class Restored(MemoryRegistry):
    """A registry whose database is put back to another one."""

    other: MemoryRegistry | None = None

    async def snapshot(self) -> Snapshot:
        """What the database of now holds."""
        return await (self.other.snapshot() if self.other else super().snapshot())

    async def changes(self, after: int) -> Changes | None:
        """What changed in the database of now."""
        return await (self.other.changes(after) if self.other else super().changes(after))


class Stuck(MemoryRegistry):
    """A registry that does not show its changes."""

    async def changes(self, after: int) -> Changes | None:
        """Nothing changed."""
        return Changes(after)


async def until(directory: Directory, agent: str, *, there: bool = True) -> None:
    """Wait until the directory knows an agent, or knows it no more."""
    async with asyncio.timeout(PATIENCE):
        while (agent in directory) != there:
            await directory.changed()


async def until_behind(directory: Directory, *, behind: bool) -> None:
    """Wait until the directory says that it is behind, or is not."""
    async with asyncio.timeout(PATIENCE):
        while directory.behind != behind:
            await directory.changed()


async def until_current(events: AsyncGenerator[Event, None]) -> list[Event]:
    """The events up to the one that says that this is all."""
    told = []
    async with asyncio.timeout(PATIENCE):
        async for event in events:
            told.append(event)
            if event.change is Sign.CURRENT:
                return told
    raise AssertionError(told)


def spoken(events: list[Event]) -> list[str]:
    """Events in a word each."""
    return [_spoken(event) for event in events]


def _spoken(event: Event) -> str:
    change = event.change
    if isinstance(change, Entry):
        return f"+{change.name}"
    return f"-{change.name}" if isinstance(change, Removed) else change.name.lower()


async def test_everything_is_known_when_the_block_begins() -> None:
    """No caller meets an empty directory."""
    async with known("a", "b") as (_, directory):
        assert [entry.name for entry in directory.agents()] == ["a", "b"]


async def test_a_registry_that_is_away_at_the_start_is_said_at_once() -> None:
    """Nobody works on nothing."""
    registry = await joined(MemoryRegistry())
    registry.lose()
    with pytest.raises(StoreUnavailable):
        async with Directory.following(registry, QUICK):
            pass


async def test_changes_are_heard() -> None:
    """Of agents that come and that go."""
    async with known("a") as (registry, directory):
        await registered(registry, "b")
        await until(directory, "b")
        await registry.remove_agent("a")
        await until(directory, "a", there=False)
        with pytest.raises(AgentNotFound):
            directory.find("a")


async def test_a_lost_connection_is_said_and_made_good() -> None:
    """Reads go on from memory; what happened meanwhile is known afterwards."""
    async with known("a") as (registry, directory):
        assert not directory.behind
        registry.lose()
        await until_behind(directory, behind=True)
        assert directory.behind_since is not None
        assert directory.find("a").name == "a"
        registry.recover()
        await registered(registry, "b")
        await registry.remove_agent("a")
        await until_behind(directory, behind=False)
        assert [entry.name for entry in directory.agents()] == ["b"]


async def test_what_the_registry_no_longer_keeps_is_read_anew() -> None:
    """A snapshot takes the place of changes that were missed."""
    registry = await joined(MemoryRegistry(kept=1))
    await registered(registry, "a")
    async with Directory.following(registry, QUICK) as directory:
        registry.lose()
        await until_behind(directory, behind=True)
        registry.recover()
        await registered(registry, "b", "c")
        await registry.remove_agent("a")
        await until_behind(directory, behind=False)
        assert [entry.name for entry in directory.agents()] == ["b", "c"]


async def test_a_registry_that_was_replaced_by_an_older_one_is_read_anew() -> None:
    """Its revisions count from elsewhere; whoever watches begins again."""
    registry = await joined(Restored())
    await registered(registry, "a", "b", "c")
    async with Directory.following(registry, QUICK) as directory, aclosing(directory.watch()) as events:
        await until_current(events)
        registry.other = await joined(MemoryRegistry())
        await registered(registry.other, "z")
        await directory.refreshed()
        assert [entry.name for entry in directory.agents()] == ["z"]
        assert spoken(await until_current(events)) == ["reset", "+z", "current"]


async def test_what_was_written_can_be_read_at_once() -> None:
    """Even before word of it arrives."""
    registry = await joined(Mute())
    async with Directory.following(registry, QUICK) as directory:
        revision = await registered(registry, "a")
        assert "a" not in directory
        await directory.reached(revision)
        assert "a" in directory


async def test_a_change_that_nobody_spoke_of_is_found_by_looking() -> None:
    """The directory looks by itself every now and then."""
    registry = await joined(Mute())
    async with Directory.following(registry, replace(QUICK, reread=0.01)) as directory:
        await registered(registry, "a")
        await until(directory, "a")


async def test_a_revision_that_does_not_come_is_not_waited_for_for_ever() -> None:
    """The wait is bounded, and ends at once when the registry is away."""
    async with Directory.following(Stuck(), QUICK) as directory:
        with pytest.raises(StoreUnavailable):
            await directory.reached(1)
    async with known() as (registry, directory):
        registry.lose()
        with pytest.raises(StoreUnavailable):
            await directory.reached(1000)


async def test_a_watch_begins_with_everything() -> None:
    """Then says that this is all, then tells what changes."""
    async with known("a", "b") as (registry, directory), aclosing(directory.watch()) as events:
        assert spoken(await until_current(events)) == ["+a", "+b", "current"]
        await directory.reached(await registered(registry, "c"))
        await directory.reached((await registry.remove_agent("a"))[1])
        assert spoken([await anext(events), await anext(events)]) == ["+c", "-a"]


async def test_a_watch_continues_after_the_revision_last_seen() -> None:
    """With what was missed, and nothing before it."""
    async with known("a") as (registry, directory):
        seen = directory.revision
        await directory.reached(await registered(registry, "b", "c"))
        async with aclosing(directory.watch(seen)) as events:
            told = await until_current(events)
        assert set(spoken(told)) == {"+b", "+c", "current"}
        assert told[-1].revision == directory.revision


async def test_a_revision_that_nobody_remembers_begins_with_a_reset() -> None:
    """One from before this directory, and one that has not been yet."""
    async with known("a") as (_, directory):
        for revision in (1, 1000):
            async with aclosing(directory.watch(revision)) as events:
                assert spoken(await until_current(events)) == ["reset", "+a", "current"]


async def test_a_watcher_too_slow_for_the_news_begins_again() -> None:
    """It costs no memory, and ends up knowing what is there now."""
    async with known("a", habits=replace(QUICK, news=2)) as (registry, directory), aclosing(directory.watch()) as slow:
        await until_current(slow)
        for number in range(5):
            await directory.reached(await registered(registry, f"b{number}"))
        await directory.reached((await registry.remove_agent("a"))[1])
        told = spoken(await until_current(slow))
        assert told == ["reset", "+b0", "+b1", "+b2", "+b3", "+b4", "current"]


async def test_watchers_are_bounded_and_leave_their_seat() -> None:
    """One too many is refused; when another has gone, it is welcome."""
    async with known(habits=replace(QUICK, watchers=1)) as (_, directory):
        async with aclosing(directory.watch()) as first, aclosing(directory.watch()) as second:
            await until_current(first)
            with pytest.raises(TooManySubscribers):
                await anext(second)
        async with aclosing(directory.watch()) as third:
            await until_current(third)


async def test_changes_of_an_agents_instances_are_told() -> None:
    """An event carries the agent with all of them."""
    async with known("a") as (registry, directory), aclosing(directory.watch()) as events:
        await until_current(events)
        await registry.register(agent("a"), OWNER, endpoint("a"), 15)
        told = (await anext(events)).change
        assert isinstance(told, Entry)
        assert len(told.instances) == 2
