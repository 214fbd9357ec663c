"""How a node is told to stop: by a signal, which a second one makes urgent, or over the mesh."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Stopping:
    """The wish that the node's task may end. Before the node serves, and after a first wish, it is urgent."""

    def __init__(self, task: asyncio.Task[None]) -> None:
        self._task = task
        self._wished = asyncio.Event()
        self._serving = False
        self._urgent = False

    @property
    def urgent(self) -> bool:
        """Whether the task was cancelled rather than asked."""
        return self._urgent

    def wish(self) -> None:
        """Ask the task to end; cancel it when it does not listen, or has been asked before. Once is enough."""
        if self._serving and not self._wished.is_set():
            self._wished.set()
        elif not self._urgent:
            self._urgent = True
            self._task.cancel()

    async def wished(self, elsewhere: Callable[[], Awaitable[None]]) -> None:
        """Wait until it is asked to end, here or `elsewhere`."""
        self._serving = True
        async with asyncio.TaskGroup() as group:
            other = group.create_task(self._relayed(elsewhere))
            await self._wished.wait()
            other.cancel()

    async def _relayed(self, elsewhere: Callable[[], Awaitable[None]]) -> None:
        await elsewhere()
        self._wished.set()


async def until_stopped(work: Callable[[Stopping], Awaitable[None]]) -> None:
    """Do the work until it ends, or until signals end it, which is no failure."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    if task is None:
        raise RuntimeError("a node runs in a task")
    stopping = Stopping(task)
    for number in SIGNALS:
        loop.add_signal_handler(number, stopping.wish)
    try:
        await work(stopping)
    except asyncio.CancelledError:
        if not stopping.urgent:
            raise
