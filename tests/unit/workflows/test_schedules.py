"""Schedules, without a store: what is due, who starts it, and what is made up for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from a2a_node.model.errors import IdempotencyKeyReused, MeshError, NodeDraining, PermissionDenied, StoreUnavailable
from a2a_node.model.schedules import Scheduled
from a2a_node.testing import MemorySchedules
from a2a_node.workflows.schedules import AGAIN, LEASE, Scheduler, due, run_id

START = datetime(2026, 11, 27, 3, 0, 10, tzinfo=UTC)
PUT = START - timedelta(days=3)


class Node:
    """A node's scheduler, and what it has started."""

    def __init__(self, store: MemorySchedules) -> None:
        self.runs: list[str] = []
        self.failure: Exception | None = None
        self.rests = False
        self.scheduler = Scheduler(store, self._start, lambda: self.rests)

    async def _start(self, one: Scheduled, minute: datetime, run: str) -> None:
        if self.failure is not None:
            raise self.failure
        assert run == run_id(one.template, minute)
        self.runs.append(f"{one.template} {minute:%d %H:%M}")

    async def look(self) -> float:
        """One look at the schedules."""
        return await self.scheduler.look()


@pytest.fixture
def store() -> MemorySchedules:
    """A template that runs each night, and one that does each minute."""
    store = MemorySchedules(START)
    store.put("nightly", "0 3 * * *", PUT)
    return store


async def test_a_minute_is_one_nodes(store: MemorySchedules) -> None:
    """However many look, and however often."""
    nodes = [Node(store) for _ in range(3)]
    for _ in range(3):
        waits = [await node.look() for node in nodes]
    assert sum((node.runs for node in nodes), []) == ["nightly 27 03:00"]  # noqa: RUF017 - three short lists
    assert waits == [pytest.approx(50.05)] * 3
    assert [node.scheduler.started for node in nodes] == [1, 0, 0]


async def test_every_minute_of_a_schedule_has_its_run(store: MemorySchedules) -> None:
    """One after another."""
    store.put("often", "*/2 * * * *", START)
    node = Node(store)
    for _ in range(6):
        store.advance(60)
        await node.look()
    assert [run for run in node.runs if "often" in run] == ["often 27 03:02", "often 27 03:04", "often 27 03:06"]


async def test_of_many_missed_minutes_the_latest_is_made_up_for(store: MemorySchedules) -> None:
    """After an outage of everything; what was missed more than a day ago is not."""
    store.put("often", "*/5 * * * *", PUT)
    node = Node(store)
    await node.look()
    store.advance(3 * 3600)
    await node.look()
    assert [run for run in node.runs if "often" in run] == ["often 27 03:00", "often 27 06:00"]
    monthly = Scheduled("monthly", 1, "0 3 1 * *", PUT - timedelta(days=90), b"a")
    assert due(monthly, START) is None


async def test_what_was_put_later_makes_up_for_nothing(store: MemorySchedules) -> None:
    """A version counts from when it was put."""
    store.put("nightly", "0 3 * * *", START - timedelta(seconds=5))
    node = Node(store)
    await node.look()
    assert node.runs == []


async def test_a_minute_of_a_node_that_died_is_taken_up_by_another(store: MemorySchedules) -> None:
    """Not before it has had its time, and under the same id, so that the run is recorded once."""
    dying, other = Node(store), Node(store)
    dying.failure = StoreUnavailable("postgres")  # it takes the minute up, and nothing more is heard of it
    await dying.look()
    assert await other.look() == LEASE
    assert other.runs == []
    store.advance(LEASE + 1)
    await other.look()
    assert other.runs == ["nightly 27 03:00"]
    dying.failure = None
    await dying.look()
    assert dying.runs == []


@pytest.mark.parametrize("failure", [PermissionDenied("person:ann", "workflow:start")])
async def test_a_refused_minute_is_refused_once(store: MemorySchedules, failure: MeshError) -> None:
    """It is not tried again; the next one is."""
    node, other = Node(store), Node(store)
    node.failure = failure
    await node.look()
    await other.look()
    assert (node.scheduler.refused, other.runs) == (1, [])
    assert store.outcomes["nightly"] == "PERMISSION_DENIED"
    store.advance(24 * 3600)
    await other.look()
    assert other.runs == ["nightly 28 03:00"]


async def test_an_unexpected_failure_ends_nothing(store: MemorySchedules) -> None:
    """It is logged, and its minute is over."""
    node = Node(store)
    node.failure = ValueError("hunter2")
    await node.look()
    assert (node.scheduler.refused, store.outcomes["nightly"]) == (1, "INTERNAL")


async def test_a_run_that_is_there_already_is_started(store: MemorySchedules) -> None:
    """By a node that died before it could say so, from a version before this one."""
    node = Node(store)
    node.failure = IdempotencyKeyReused("k")
    await node.look()
    assert (node.scheduler.started, store.outcomes["nightly"]) == (1, "started")


async def test_a_node_that_rests_or_drains_leaves_it_to_others(store: MemorySchedules) -> None:
    """And one whose store is away looks again soon."""
    resting, draining, other = Node(store), Node(store), Node(store)
    resting.rests = True
    assert await resting.look() == AGAIN
    draining.failure = NodeDraining("n")
    await draining.look()
    store.advance(LEASE + 1)
    await other.look()
    assert (resting.runs, draining.runs, other.runs) == ([], [], ["nightly 27 03:00"])
    store.lose()
    assert await other.look() == AGAIN


async def test_a_line_that_this_software_cannot_read_starts_nothing(store: MemorySchedules) -> None:
    """A later one may have kept it."""
    store.put("strange", "@daily", PUT)
    node = Node(store)
    await node.look()
    assert node.runs == ["nightly 27 03:00"]
