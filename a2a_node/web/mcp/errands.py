"""Work that outlives the request which asked for it: a notification is answered before it is acted upon."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

MOST = 1000  # at a time; each ends by its own deadline


class Errands:
    """Tasks that end by themselves, or with the door."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def run(self, errand: Coroutine[object, object, None]) -> bool:
        """Begin one; False where there are too many, and it is not begun."""
        if len(self._tasks) >= MOST:
            errand.close()
            return False
        task = asyncio.create_task(errand)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def close(self) -> None:
        """End them all."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
