"""Retention: runs that ended long ago are forgotten, a few at a time."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.run_ports import Runs

log = structlog.get_logger()

AT_ONCE = 200  # runs
EVERY, BETWEEN = 600.0, 0.2  # seconds: when nothing is left to forget, and between two lots


class Retention:
    """Forgets runs; every node does, and it does no harm."""

    def __init__(self, runs: Runs, kept: timedelta) -> None:
        self._runs = runs
        self._kept = kept

    async def run(self) -> None:
        """Forget what has ended so long ago, for ever."""
        while True:
            forgotten = await self.once()
            await asyncio.sleep(BETWEEN if forgotten else EVERY)

    async def once(self) -> int:
        """Forget one lot; how many they were. Nothing while the store is away."""
        try:
            forgotten = await self._runs.prune(datetime.now(UTC) - self._kept, AT_ONCE)
        except StoreUnavailable:
            return 0
        if forgotten:
            log.info("old runs were forgotten", runs=forgotten)
        return forgotten
