"""What the record in Postgres counts: each status that a run came to, once, at whoever brought it there."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from a2a_node.model.errors import RunStateConflict
from a2a_node.model.runs import RunChange, RunStatus
from a2a_node.store.postgres import connected
from a2a_node.store.runs import PostgresRuns
from tests.contract.run_houses import new_run


@pytest.fixture
async def two(postgres_url: str) -> AsyncIterator[tuple[PostgresRuns, PostgresRuns]]:
    """The record as a node and as its engine have it."""
    async with connected(postgres_url) as postgres:
        yield PostgresRuns(postgres), PostgresRuns(postgres)


async def test_each_change_of_a_status_counts_once(two: tuple[PostgresRuns, PostgresRuns]) -> None:
    """Saying a thing again changes nothing, and so counts nothing."""
    node, engine = two
    new = new_run("a", key="k")
    for _ in range(2):
        await node.record(new)
    await engine.renew("e1", "n1", 60)
    assert [run.id for run in await engine.claim("e1", 10)] == [new.id]
    await engine.claim("e1", 10)
    for _ in range(2):
        await engine.change("e1", new.id, [], RunChange(RunStatus.WAITING))
    await engine.change("e1", new.id, [], RunChange(RunStatus.FAILED))
    await node.retry(new.id, "", None)
    assert node.came == {"pending": 2}
    assert engine.came == {"running": 1, "waiting": 1, "failed": 1}


async def test_what_is_taken_over_does_not_come_to_its_status_again(two: tuple[PostgresRuns, PostgresRuns]) -> None:
    """Another engine goes on with it."""
    node, engine = two
    await node.record(new_run("a"))
    for name in ("e1", "e2"):
        await engine.renew(name, "n1", 60)
        assert len(await engine.claim(name, 10)) == 1
        await engine.release(name)
    assert engine.came == {"running": 1}


async def test_what_nobody_has_is_ended_by_whoever_says_so(two: tuple[PostgresRuns, PostgresRuns]) -> None:
    """Children with their parent; and paused and taken up again."""
    node, engine = two
    parent, child = new_run("a"), new_run("a")
    for new in (parent, new_run("a", parent=parent.id), child):
        await node.record(new)
    await node.pause(child.id)
    await node.resume(child.id)
    for _ in range(2):
        await node.cancel(parent.id, "enough", compensate=False)
    with pytest.raises(RunStateConflict):
        await node.pause(parent.id)
    assert node.came == {"pending": 4, "paused": 1, "cancelled": 2}
    assert engine.came == {}
