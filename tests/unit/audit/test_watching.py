"""Watching: every event once and in order, from wherever a watcher stands."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest

from a2a_node.audit.watching import SHARED, Lost, Seen, Started, Watching
from a2a_node.model.audit import AuditEvent, AuditFilter
from a2a_node.model.errors import InvalidInput, StoreUnavailable, TooManySubscribers
from a2a_node.testing import MemoryAuditLog
from tests.unit.audit.samples import fact, until


async def heard(watch: AsyncGenerator[Seen, None], many: int) -> list[int]:
    """The positions of so many events."""
    async with asyncio.timeout(20):
        told = [await anext(watch) for _ in range(many)]
    assert all(isinstance(one, AuditEvent) for one in told)
    return [one.position for one in told]


async def test_watchers_hear_from_where_they_stand() -> None:
    """From the next event on, or after a position, in memory or not; all share one connection."""
    log = MemoryAuditLog()
    async with Watching.watching(log) as watching:
        await log.append("n1", [fact() for _ in range(3)])
        async with aclosing(watching.watch(AuditFilter())) as newest, aclosing(watching.watch(AuditFilter(), 1)) as old:
            assert await anext(newest) == Started(3)
            assert await anext(old) == Started(1)
            assert watching.watchers == 2
            assert await heard(old, 2) == [2, 3]
            await log.append("n2", [fact() for _ in range(2)])
            assert await heard(newest, 2) == [4, 5]
            assert await heard(old, 2) == [4, 5]
            await log.append("n1", [fact() for _ in range(SHARED + 300)])
            assert await heard(newest, SHARED + 300) == [*range(6, SHARED + 306)]
            assert await heard(old, SHARED + 300) == [*range(6, SHARED + 306)]
        assert watching.watchers == 0


async def test_what_does_not_fit_is_passed_over() -> None:
    """Holes are told of the chains that are looked at."""
    log = MemoryAuditLog()
    await log.append("n1", [fact() for _ in range(3)])
    await log.append("n2", [fact(), fact()])
    del log.events[3], log.events[1]
    async with Watching.watching(log) as watching:
        async with aclosing(watching.watch(AuditFilter(node_id="n1"), 0)) as watch:
            assert await anext(watch) == Started(0)
            assert await heard(watch, 1) == [1]
            assert await anext(watch) == Lost(2, "n1", 2, 2)
            assert await heard(watch, 1) == [3]
        async with aclosing(watching.watch(AuditFilter(user_id="person:bob"), 0)) as watch:
            await anext(watch)
            assert await anext(watch) == Lost(2, "n1", 2, 2)
            assert await anext(watch) == Lost(4, "n2", 1, 1)


async def test_a_place_whose_events_are_all_gone_waits_for_the_next() -> None:
    """Rather than asking the store over and over."""
    log = MemoryAuditLog()
    await log.append("n1", [fact(), fact()])
    log.events.clear()
    async with Watching.watching(log) as watching, aclosing(watching.watch(AuditFilter(), 0)) as watch:
        await anext(watch)
        waiting = asyncio.ensure_future(anext(watch))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not waiting.done()
        await log.append("n1", [fact()])
        assert await waiting == Lost(2, "n1", 1, 2)


async def test_a_cut_ends_the_watch_and_the_next_one_begins_anew() -> None:
    """Whoever comes back loses nothing."""
    log = MemoryAuditLog()
    async with Watching.watching(log) as watching:
        async with aclosing(watching.watch(AuditFilter())) as watch:
            await anext(watch)
            log.lose()
            with pytest.raises(StoreUnavailable):
                await anext(watch)
        with pytest.raises(StoreUnavailable):
            await anext(watching.watch(AuditFilter()))
        log.recover()
        await log.append("n1", [fact()])
        async with aclosing(watching.watch(AuditFilter(), 0)) as watch:
            await anext(watch)
            assert await heard(watch, 1) == [1]
    await until(lambda: watching.watchers == 0)


async def test_a_watch_that_cannot_be_is_refused() -> None:
    """A place that is not there yet, and one watcher too many."""
    async with Watching.watching(MemoryAuditLog(), most=1) as watching:
        with pytest.raises(InvalidInput, match="after_cursor"):
            await anext(watching.watch(AuditFilter(), 7))
        async with aclosing(watching.watch(AuditFilter())) as watch:
            await anext(watch)
            with pytest.raises(TooManySubscribers):
                await anext(watching.watch(AuditFilter()))
