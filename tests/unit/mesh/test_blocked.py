"""Who is named when the loop stands still, and who is not."""

from __future__ import annotations

import asyncio
import threading

import pytest
from structlog.testing import capture_logs

from a2a_node.mesh.blocked import PACE, Pace, Said, Work, warned, watching

PATIENCE = 5.0
QUICK = Pace(late=0.02, every=0.005)
WORK = Work("slow", "ponder")


def own_task() -> asyncio.Task[object]:
    """The running task."""
    task = asyncio.current_task()
    assert task is not None
    return task


async def test_whoever_blocks_the_loop_is_named_with_the_line() -> None:
    """While the block lasts, from another thread."""
    named: list[tuple[Work, str]] = []
    released = threading.Event()

    def warn(work: Work, place: str) -> None:
        named.append((work, place))
        released.set()

    with watching(asyncio.get_running_loop(), {own_task(): WORK}, warn, QUICK):
        assert released.wait(PATIENCE)
    assert [work for work, _ in named] == [WORK]
    assert "threading.py:" in named[0][1]
    assert " in wait" in named[0][1]


async def test_a_loop_that_goes_on_blames_nobody() -> None:
    """However many tasks it has."""
    named: list[Work] = []
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    with watching(loop, {own_task(): WORK}, lambda work, _: named.append(work), Pace(late=2.0, every=0.001)):
        loop.call_later(0.05, heard.set)
        await heard.wait()
    assert named == []


async def test_many_short_calls_blame_nobody() -> None:
    """Each is another one when the watch looks again, though agent, capability and task are the same."""
    named: list[Work] = []
    released = threading.Event()
    looks = []

    class Passing(dict[asyncio.Task[object], Work]):
        def get(self, task: asyncio.Task[object], default: object = None) -> Work:
            del task, default
            looks.append(1)
            if len(looks) == 3:
                released.set()
            return Work("slow", "ponder")

    with watching(asyncio.get_running_loop(), Passing(), lambda work, _: named.append(work), QUICK):
        assert released.wait(PATIENCE)
    assert named == []


async def test_work_that_is_no_agents_is_not_blamed() -> None:
    """The task that blocks is none that an agent works in."""
    named: list[Work] = []
    released = threading.Event()

    class Nobody(dict[asyncio.Task[object], Work]):
        def get(self, task: asyncio.Task[object], default: object = None) -> None:  # type: ignore[override]
            del task, default
            released.set()

    with watching(asyncio.get_running_loop(), Nobody(), lambda work, _: named.append(work), QUICK):
        assert released.wait(PATIENCE)
    assert named == []


async def test_the_watch_ends_with_its_block() -> None:
    """No thread is left, also when the block fails."""

    def fail() -> None:
        with watching(asyncio.get_running_loop(), {}, warned, PACE):
            assert watchers() == 1
            raise ValueError("over")

    with pytest.raises(ValueError, match="over"):
        fail()
    assert watchers() == 0


def watchers() -> int:
    """How many watches run."""
    return sum(thread.name == "a2a-loop-watch" for thread in threading.enumerate())


def test_the_same_work_is_named_once_a_minute() -> None:
    """Other work is not held back by it."""
    said = Said()
    assert said.due(WORK, 1000.0)
    assert not said.due(WORK, 1059.9)
    assert said.due(Work("slow", "other"), 1059.9)
    assert said.due(WORK, 1060.0)
    assert not said.due(WORK, 1060.1)


def test_the_first_warning_is_due_whatever_the_clock_says() -> None:
    """A monotonic clock may begin at 0."""
    assert Said().due(WORK, 0.0)


def test_the_warning_says_who_and_where() -> None:
    """And what to do about it."""
    with capture_logs() as logs:
        warned(WORK, "agent.py:7 in ponder")
    (entry,) = logs
    assert (entry["agent"], entry["capability"], entry["at"]) == ("slow", "ponder", "agent.py:7 in ponder")
    assert entry["log_level"] == "warning"
    assert "blocks the node's loop" in entry["event"]
