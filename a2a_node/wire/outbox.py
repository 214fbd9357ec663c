"""What both ends of a stream of frames need: frames on their way out, and works that end together."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence, Sized
from time import monotonic
from typing import Generic, TypeAlias, TypeVar

from google.protobuf.message import Message

F = TypeVar("F", bound=Message)
Begin: TypeAlias = Callable[[F], "asyncio.Future[bool] | None"]
BATCH_FRAMES = 64
BATCH_BYTES = 32 * 1024  # a larger frame goes by itself; every message may have twice as many
LINGER = 0.001  # seconds between two messages of a busy stream, unless enough frames wait already
ENOUGH = 16
BUSY = 4  # calls under way; below that nobody would come along


class Outbox(Generic[F]):
    """Frames in their order, written by one `run`, so that whoever is cancelled never breaks off a write.

    A frame that nothing is before, and nobody would come along with, is begun to be written at once where `run` was
    told how: on a quiet stream its task would only be woken for it.
    `put` waits while as many frames wait as there is room for; `push` never waits, for frames of which there are few;
    `spread` waits until its frame is written, for the parts of something large: they take turns with all other frames.
    """

    def __init__(self, room: int, calls: Sized = (), *, linger: float = LINGER, few: int = BATCH_FRAMES) -> None:
        """`calls`: those under way, to know how busy the stream is; `linger`: seconds, 0 for a turn of the loop.

        At most `few` frames go in a message, or half of those that wait: the other end works on them while more follow.
        """
        self._calls = calls
        self._pause, self._few = linger, few
        self._frames: deque[tuple[F, int | None, bool]] = deque()  # with its size, and whether it takes room
        self._parts: dict[asyncio.Future[None], F] = {}  # by who waits for their being written
        self._room = asyncio.Semaphore(room)
        self._arrived = asyncio.Event()
        self._begin: Begin[F] | None = None
        self._writing = False
        self._written = 0.0  # when a write last ended
        self._closed = False

    def __len__(self) -> int:
        """How many messages at least are not written yet."""
        return len(self._frames) + len(self._parts) + self._writing

    async def put(self, frame: F, size: int | None = None) -> None:
        """Send a frame as soon as there is room; nothing happens once the outbox is closed.

        `size` in bytes, where it is known: to ask a message for it takes as long as to write it.
        """
        if self._begun(frame):
            return
        await self._room.acquire()
        if self._closed:
            self._room.release()  # to whoever waits behind
            return
        self._frames.append((frame, size, True))
        self._arrived.set()

    def push(self, frame: F) -> None:
        """Send a frame, room or no room; nothing happens once the outbox is closed."""
        if not self._closed and not self._begun(frame):
            self._frames.append((frame, None, False))
            self._arrived.set()

    async def spread(self, frame: F) -> None:
        """Send a part of something large; returns once it was written, or the outbox is closed."""
        if self._closed:
            return
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._parts[written] = frame
        self._arrived.set()
        try:
            await written
        finally:
            self._parts.pop(written, None)

    def close(self) -> None:
        """Take no more frames; `run` writes those that wait, then ends."""
        self._closed = True
        self._room.release()
        self._arrived.set()

    def drop(self) -> None:
        """Close, and forget the frames that wait."""
        self._frames.clear()
        self.close()
        for written in self._parts:
            _settle(written)
        self._parts.clear()

    async def run(
        self,
        write: Callable[[F], Awaitable[None]],
        packed: Callable[[Sequence[F]], F] | None = None,
        begin: Begin[F] | None = None,
    ) -> None:
        """Write what comes until the outbox is closed; where frames can be `packed`, those that wait go in one.

        `begin` begins to write one, whose future is done once it is written; None where that cannot be now.
        """
        self._begin = begin
        while True:
            while (self._frames or self._parts) and not self._writing:
                if self._frames:
                    await self._write(write, await self._next(packed))
                if self._parts:
                    await self._write_part(write)
            if self._closed and not self._writing:
                return
            self._arrived.clear()
            await self._arrived.wait()

    def _begun(self, frame: F) -> bool:
        busy = self._writing or self._closed or self._frames or self._parts or len(self._calls) >= BUSY
        written = None if busy or self._begin is None else self._begin(frame)
        if written is None:
            return False
        self._writing = True
        written.add_done_callback(self._ended)
        return True

    def _ended(self, _: asyncio.Future[bool]) -> None:
        self._writing, self._written = False, monotonic()
        if self._frames or self._parts or self._closed:
            self._arrived.set()

    async def _write(self, write: Callable[[F], Awaitable[None]], frame: F) -> None:
        self._writing = True
        await write(frame)
        self._writing, self._written = False, monotonic()

    async def _write_part(self, write: Callable[[F], Awaitable[None]]) -> None:
        written = next(iter(self._parts))
        try:
            await self._write(write, self._parts.pop(written))
        finally:
            _settle(written)

    async def _next(self, packed: Callable[[Sequence[F]], F] | None) -> F:
        if packed is None:
            return self._taken()
        await self._linger()
        frames = self._gathered()
        return packed(frames) if len(frames) > 1 else frames[0]

    async def _linger(self) -> None:
        """Wait a moment for more frames while the stream is busy, for most of a small frame's cost is its message's."""
        lately = not self._pause or monotonic() - self._written < self._pause
        if lately and len(self._frames) < min(ENOUGH, self._few) and len(self._calls) >= BUSY:
            await asyncio.sleep(self._pause)

    def _gathered(self) -> list[F]:
        size = self._size() if len(self._frames) > 1 else 0
        most = min(BATCH_FRAMES, max(self._few, len(self._frames) // 2))
        frames = [self._taken()]
        while self._frames and len(frames) < most:
            size += self._size()
            if size > BATCH_BYTES:
                break
            frames.append(self._taken())
        return frames

    def _size(self) -> int:
        """Of the frame that is next."""
        frame, size, _ = self._frames[0]
        return frame.ByteSize() if size is None else size

    def _taken(self) -> F:
        frame, _, counted = self._frames.popleft()
        if counted:
            self._room.release()
        return frame


def _settle(written: asyncio.Future[None]) -> None:
    if not written.done():  # whoever waited may have been cancelled meanwhile
        written.set_result(None)


async def first(*works: Coroutine[object, object, None]) -> None:
    """Run works side by side until one ends, then cancel the others; a failure is raised as itself."""
    tasks = [asyncio.create_task(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        failures = [*filter(None, (task.exception() for task in tasks if not task.cancelled()))]
    try:
        if failures:
            raise failures[0]
    finally:  # else frame and failure hold each other, and with them the connection of whoever waited here
        del tasks, failures
