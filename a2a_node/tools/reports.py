"""What supervisors say of their servers, on its way to the store: the latest word of each, and no restart uncounted."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import structlog

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.tool_ports import CopyChange, Servers

PAUSE = 1.0  # seconds until a store that is away is told again

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Reports:
    """Takes changes at once and writes them in the background; at most one waits for each server."""

    def __init__(self, store: Servers, node_id: str, *, pause: float = PAUSE) -> None:
        self._store, self._node_id, self._pause = store, node_id, pause
        self._waiting: dict[str, CopyChange] = {}
        self._told, self._turn = asyncio.Event(), asyncio.Lock()

    def say(self, change: CopyChange) -> None:
        """Take in how a server stands now."""
        before = self._waiting.get(change.server_id)
        self._waiting[change.server_id] = change if before is None else _merged(before, change)
        self._told.set()

    async def run(self) -> None:
        """Write what comes, for ever."""
        while True:
            await self._told.wait()
            try:
                await self.write()
            except StoreUnavailable:
                await asyncio.sleep(self._pause)

    async def write(self) -> None:
        """Write all that waits; StoreUnavailable, and then it still does."""
        async with self._turn:
            while self._waiting:
                server_id, change = next(iter(self._waiting.items()))
                del self._waiting[server_id]
                try:
                    await self._store.change(self._node_id, change)
                except BaseException:
                    later = self._waiting.get(server_id)
                    self._waiting[server_id] = change if later is None else _merged(change, later)
                    raise
            self._told.clear()


def _merged(before: CopyChange, change: CopyChange) -> CopyChange:
    return replace(
        change,
        checked=before.checked or change.checked,
        started=before.started or change.started,
        restarts=before.restarts + change.restarts,
        tools=before.tools if change.tools is None else change.tools,
    )
