"""The ends of calls in time: precise where they are near, and nearly free where they are far.

A timer of the event loop for every call costs about 10 µs (uvloop makes and closes a handle each time), and almost no
call lives until its deadline. So far deadlines wait in buckets of 50 ms, which one timer empties.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from contextvars import Context
from math import ceil
from time import monotonic

from a2a_node.model.errors import DeadlineExceeded

STEP = 0.05  # seconds of a bucket: a far deadline ends a call up to so much late
NEAR = 1.0  # seconds; what is nearer gets a timer of its own


class _Waiting:
    """A call that ends when its bucket is due."""

    __slots__ = ("over", "task")

    def __init__(self, task: asyncio.Task[object]) -> None:
        self.task = task
        self.over = False


class Deadlines:
    """Ends work that takes longer than it may; for one event loop."""

    def __init__(self, step: float = STEP, near: float = NEAR) -> None:
        self._step, self._near = step, near
        self._buckets: dict[int, set[_Waiting]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._context = Context()  # of no call: a timer that follows another would hold the first one's for ever

    async def within(self, seconds: float, work: Awaitable[None]) -> None:
        """Await the work; DeadlineExceeded when it is not done in time."""
        if seconds < self._near:
            await _precisely(seconds, work)
            return
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("deadlines are kept for tasks")
        waiting, bucket = _Waiting(task), self._bucket(seconds)
        bucket.add(waiting)
        try:
            await work
        except asyncio.CancelledError:
            if not waiting.over or task.uncancel():  # somebody else cancelled it, too
                raise
            raise DeadlineExceeded(seconds) from None
        finally:
            bucket.discard(waiting)

    @property
    def ticking(self) -> bool:
        """Whether a timer of the loop is set."""
        return self._timer is not None

    def _bucket(self, seconds: float) -> set[_Waiting]:
        due = ceil((monotonic() + seconds) / self._step)
        bucket = self._buckets.get(due)
        if bucket is None:
            bucket = self._buckets[due] = set()
            if self._timer is None:
                self._timer = self._later()
        return bucket

    def _tick(self) -> None:
        """End what is due; go on while anything waits."""
        now = monotonic() / self._step
        for due in [due for due in self._buckets if due <= now]:
            for waiting in self._buckets.pop(due):
                waiting.over = True
                waiting.task.cancel()
        self._timer = self._later() if self._buckets else None

    def _later(self) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(self._step, self._tick, context=self._context)


async def _precisely(seconds: float, work: Awaitable[None]) -> None:
    try:
        async with asyncio.timeout(seconds) as timer:
            await work
    except TimeoutError:
        if timer.expired():
            raise DeadlineExceeded(seconds) from None
        raise
