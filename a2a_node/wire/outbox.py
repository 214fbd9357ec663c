"""What both ends of a stream of frames need: frames on their way out, and works that end together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Generic, TypeVar

F = TypeVar("F")


class Outbox(Generic[F]):
    """Frames in their order, written by one `run`, so that whoever is cancelled never breaks off a write.

    `put` waits while as many frames wait as there is room for; `push` never waits, for frames of which there are few.
    """

    def __init__(self, room: int) -> None:
        self._frames: deque[tuple[F, bool]] = deque()
        self._room = asyncio.Semaphore(room)
        self._arrived = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._frames)

    async def put(self, frame: F) -> None:
        """Send a frame as soon as there is room; nothing happens once the outbox is closed."""
        await self._room.acquire()
        if self._closed:
            self._room.release()  # to whoever waits behind
            return
        self._frames.append((frame, True))
        self._arrived.set()

    def push(self, frame: F) -> None:
        """Send a frame, room or no room; nothing happens once the outbox is closed."""
        if not self._closed:
            self._frames.append((frame, False))
            self._arrived.set()

    def close(self) -> None:
        """Take no more frames; `run` writes those that wait, then ends."""
        self._closed = True
        self._room.release()
        self._arrived.set()

    async def run(self, write: Callable[[F], Awaitable[None]]) -> None:
        """Write what comes, until the outbox is closed."""
        while True:
            while self._frames:
                frame, counted = self._frames.popleft()
                if counted:
                    self._room.release()
                await write(frame)
            if self._closed:
                return
            self._arrived.clear()
            await self._arrived.wait()


async def first(*works: Coroutine[object, object, None]) -> None:
    """Run works side by side until one ends, then cancel the others; a failure is raised as itself."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        failures = [failure for task in tasks if not task.cancelled() and (failure := task.exception())]
    if failures:
        raise failures[0]
