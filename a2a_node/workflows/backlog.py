"""What has not ended, as a node looks at it every now and then: how many runs stand how, and which stand still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from time import monotonic
from typing import Self

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.run_ports import Runs
from a2a_node.model.runs import Backlog, RunStatus

EVERY, SELDOM = 10.0, 60.0  # seconds between two looks: usually, and where they take long
SHARE = 20  # times as long as a look takes nobody looks again, however many runs there are and nodes that look
OPEN = tuple(status for status in RunStatus if not status.terminal)
NOTHING = Backlog(0, 0.0)


class Backlogs:
    """The last look; made by `watched`. What was seen last stands while the store is away."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._seen: Mapping[RunStatus, Backlog] = {}

    @classmethod
    @asynccontextmanager
    async def watched(cls, runs: Runs) -> AsyncIterator[Self]:
        """Look every now and then until the block ends."""
        backlogs = cls(runs)
        task = asyncio.create_task(backlogs._watch())
        try:
            yield backlogs
        finally:
            task.cancel()
            await asyncio.wait([task])

    def runs(self) -> Mapping[str, float]:
        """How many runs stand how, by status."""
        return {status.value: self._of(status).runs for status in OPEN}

    def still(self) -> Mapping[str, float]:
        """For how many seconds the stillest run has had no event, by status."""
        return {status.value: self._of(status).still for status in OPEN}

    async def look(self) -> None:
        """Look once; nothing changes while the store is away."""
        with suppress(StoreUnavailable):
            self._seen = await self._runs.backlog()

    async def _watch(self) -> None:
        while True:
            begun = monotonic()
            await self.look()
            await asyncio.sleep(min(max(EVERY, SHARE * (monotonic() - begun)), SELDOM))

    def _of(self, status: RunStatus) -> Backlog:
        return self._seen.get(status, NOTHING)
