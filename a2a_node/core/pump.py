"""The pump: brings the completions of a queue to the event loop, in its own thread while they keep coming.

grpc.aio hands every completion from a thread to the loop through a socket, 31 system calls an RPC. Here the loop looks
into the queue by itself, in bounded batches between its other work. Only when the queue has run dry does a thread wait
in it; that thread hands over the one completion that ends the wait, and then waits for its next turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import copy_context
from threading import Lock, Thread

from a2a_node.core.library import PAST, SHUTDOWN, Event, Queue

BATCH = 64  # completions until the loop's other work gets its turn, about 0.5 ms
LOOKS = 1  # empty looks, a turn of the loop apart, before the thread waits: a fifth more calls per second than none


class Pump:
    """A completion queue whose tags are called in the event loop that made it."""

    def __init__(self, queue: Queue) -> None:
        self.queue = queue
        self._loop = asyncio.get_running_loop()
        self._context = copy_context()
        self._ended = self._loop.create_future()
        self._later: list[Callable[[], None]] = []
        self._looks = 0
        self._turn = Lock()  # free when it is the thread's turn to wait in the queue
        self._thread = Thread(target=self._wait, name="grpc-pump", daemon=True)
        self._thread.start()

    def soon(self, look: Callable[[], None]) -> None:
        """Call it once the tasks that begin now have taken their first step; only from within a tag."""
        self._later.append(look)

    async def stop(self) -> None:
        """End, once everything that was begun is complete; a cancellation is raised then, and not before."""
        self.queue.shutdown()
        await whole(self._ended)
        self._thread.join()

    def _wait(self) -> None:
        ended = False
        while not ended:
            self._turn.acquire()
            event = self.queue.poll()
            ended = event.completion_type == SHUTDOWN
            try:
                self._loop.call_soon_threadsafe(self._woken, event, context=self._context)
            except RuntimeError:  # the loop was closed under it, and there is nobody left to tell
                return
            del event  # it would keep its RPC alive while the thread waits

    def _woken(self, event: Event) -> None:
        if event.completion_type == SHUTDOWN:
            self._ended.set_result(None)
            return
        self._take(event)
        self._looks = 0
        self._empty()

    def _drain(self) -> None:
        self._look_after()
        self._empty()

    def _empty(self) -> None:
        poll, taken = self.queue.poll, 0
        while taken < BATCH and self._take(poll(PAST)):
            taken += 1
        self._looks = 0 if taken else self._looks + 1
        if self._looks <= LOOKS:
            self._loop.call_soon(self._drain)
        else:
            self._turn.release()

    def _look_after(self) -> None:
        later, self._later = self._later, []
        for look in later:
            look()

    def _take(self, event: Event) -> bool:
        """Call the tag of a completion; False when there was none."""
        if event.tag is None:
            return False
        try:
            event.tag(event)
        except Exception as failure:  # noqa: BLE001 - one tag's failure must not end the others' completions
            told = {"message": "a completion could not be handled", "exception": failure}
            self._loop.call_exception_handler(told)
        return True


async def whole(end: Awaitable[None]) -> None:
    """Wait for an end that must not be left half done; a cancellation meanwhile is raised once it is there."""
    cancelled: asyncio.CancelledError | None = None
    ending = asyncio.ensure_future(end)
    while not ending.done():
        try:
            await asyncio.wait((ending,))
        except asyncio.CancelledError as wish:
            cancelled = wish
    ending.result()
    if cancelled is not None:
        raise cancelled
