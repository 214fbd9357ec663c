"""The pump: completions reach the loop in order, and never keep it from its other work."""

from __future__ import annotations

import asyncio
from collections import deque
from threading import Condition
from typing import cast

from a2a_node.core.library import SHUTDOWN, Event, Tag
from a2a_node.core.pump import BATCH, Pump


class Completion:
    """What a queue gives."""

    def __init__(self, tag: Tag | None, completion_type: int = SHUTDOWN + 1) -> None:
        self.tag, self.completion_type, self.success = tag, completion_type, True


class Queue:
    """A queue without a C core, that counts how often somebody waited in it."""

    def __init__(self) -> None:
        self._tags: deque[Tag] = deque()
        self._changed = Condition()
        self._shut = False
        self.waits = 0

    def put(self, *tags: Tag) -> None:
        """Complete something."""
        with self._changed:
            self._tags.extend(tags)
            self._changed.notify()

    def shutdown(self) -> None:
        """Take no more."""
        with self._changed:
            self._shut = True
            self._changed.notify()

    def poll(self, deadline: float | None = None) -> Event:
        """The next one, or none."""
        with self._changed:
            if deadline is None:
                self.waits += 1
                self._changed.wait_for(lambda: self._tags or self._shut)
            if self._tags:
                return cast("Event", Completion(self._tags.popleft()))
            return cast("Event", Completion(None, SHUTDOWN if self._shut else SHUTDOWN + 1))


async def test_completions_come_in_order_and_the_end_waits_for_them() -> None:
    """All of them in the loop, however many."""
    queue, seen = Queue(), list[int]()
    pump = Pump(queue)
    done = asyncio.Event()
    for number in range(3 * BATCH):
        queue.put(lambda _, number=number: seen.append(number))  # type: ignore[misc]
    queue.put(lambda _: done.set())
    await done.wait()
    await pump.stop()
    assert seen == list(range(3 * BATCH))


async def test_the_loop_gets_its_turn_between_batches() -> None:
    """A callback that waits for the loop runs before the second batch is through."""
    queue, seen = Queue(), list[str]()
    done, loop = asyncio.Event(), asyncio.get_running_loop()

    def begin(_: Event) -> None:
        loop.call_soon(seen.append, "other work")

    queue.put(begin, *[lambda _: seen.append("completion")] * (3 * BATCH), lambda _: done.set())
    pump = Pump(queue)
    await done.wait()
    await pump.stop()
    assert seen.index("other work") <= BATCH + 1
    assert len(seen) == 3 * BATCH + 1


async def test_one_failure_leaves_the_others_alone() -> None:
    """It is told to the loop's handler."""
    queue, told, done = Queue(), list[object](), asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["exception"]))
    failure = ValueError("broken")

    def broken(_: Event) -> None:
        raise failure

    queue.put(broken, lambda _: done.set())
    pump = Pump(queue)
    await done.wait()
    await pump.stop()
    assert told == [failure]


async def test_what_is_to_come_soon_comes_after_the_first_step_of_new_tasks() -> None:
    """So that what ends at its first step needs nothing more."""
    queue, seen, done = Queue(), list[str](), asyncio.Event()
    pump = Pump(queue)

    async def work() -> None:
        seen.append("step")

    tasks = []

    def begin(_: Event) -> None:
        tasks.append(asyncio.get_running_loop().create_task(work()))
        pump.soon(lambda: seen.append("look"))
        pump.soon(done.set)

    queue.put(begin)
    await done.wait()
    await pump.stop()
    assert seen == ["step", "look"]


async def test_a_loop_with_nothing_to_do_leaves_the_queue_to_the_thread() -> None:
    """It waits there, once for each time that the queue ran dry."""
    queue = Queue()
    pump = Pump(queue)
    for _ in range(3):
        done = asyncio.Event()
        queue.put(lambda _, done=done: done.set())  # type: ignore[misc]
        await done.wait()
    await pump.stop()
    assert 2 <= queue.waits <= 4
