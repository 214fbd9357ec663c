"""Turns: how the writers of one process wait for each other without holding connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from a2a_node.model.errors import StoreUnavailable


class Turns:
    """One writer at a time, in the order of asking; a writer that finds the store away speaks for all who wait.

    Without that word each of them would find out by itself, one patience after the other.
    """

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._losses = 0

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Wait for the turn and have it; StoreUnavailable when the store was found away meanwhile."""
        losses = self._losses
        async with self._lock:
            if self._losses != losses:
                raise StoreUnavailable("postgres")
            try:
                yield
            except StoreUnavailable:
                self._losses += 1
                raise
