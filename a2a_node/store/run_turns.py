"""Turns at runs: how those of one process who change the same run wait for each other without asking Postgres."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class RunTurns:
    """A line for each run, as long as somebody stands in it."""

    def __init__(self) -> None:
        self._lines: dict[str, tuple[asyncio.Lock, int]] = {}

    @asynccontextmanager
    async def of(self, run_id: str) -> AsyncIterator[None]:
        """Wait for the turn and have it."""
        lock, waiting = self._lines.get(run_id, (asyncio.Lock(), 0))
        self._lines[run_id] = lock, waiting + 1
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._lines[run_id]
            self._lines[run_id] = lock, waiting - 1
            if waiting == 1:
                del self._lines[run_id]
