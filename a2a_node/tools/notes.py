"""What a tool says of its progress, on its way to whoever reads it: a slow reader hears the latest."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Mapping

from a2a_node.model.payload import Payload

PROGRESS = "application/vnd.a2amesh.progress+json"
KEPT = 16  # notes that nobody has read yet; older ones are left out


class Notes:
    """Notes as they come, until they are closed and read."""

    def __init__(self) -> None:
        self._notes: deque[Payload] = deque(maxlen=KEPT)
        self._news = asyncio.Event()
        self._closed = False

    async def hear(self, note: Mapping[str, object]) -> None:
        """Take one, at once: a server that sends many must not fill the memory with those that wait."""
        if not self._closed:
            self._notes.append(Payload(note, PROGRESS))
            self._news.set()

    def close(self) -> None:
        """No more will come."""
        self._closed = True
        self._news.set()

    async def __aiter__(self) -> AsyncIterator[Payload]:
        while True:
            while self._notes:
                yield self._notes.popleft()
            if self._closed:
                return
            self._news.clear()
            await self._news.wait()
