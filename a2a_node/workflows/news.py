"""Runs that steps wait for: sub-workflows, begun, waited for and cancelled."""

from __future__ import annotations

import asyncio
from collections import defaultdict

from a2a_node.model.errors import RunStateConflict
from a2a_node.model.run_ports import Runs
from a2a_node.model.runs import Run

LOOK = 30.0  # seconds between two looks, should a word be missed


class News:
    """Wakes those who wait for runs, as soon as something is heard of these."""

    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._waiting: defaultdict[str, set[asyncio.Event]] = defaultdict(set)

    def of(self, run_id: str) -> None:
        """Something happened to a run."""
        for event in self._waiting.get(run_id, ()):
            event.set()

    def all(self) -> None:
        """Something may have happened to any."""
        for run_id in self._waiting:
            self.of(run_id)

    async def ended(self, run_id: str) -> Run:
        """Wait for the end of a run."""
        event = asyncio.Event()
        self._waiting[run_id].add(event)
        try:
            while not (run := await self._runs.get(run_id)).status.terminal:
                try:
                    async with asyncio.timeout(LOOK):
                        await event.wait()
                except TimeoutError:
                    continue
                event.clear()
        finally:
            self._waiting[run_id].discard(event)
            if not self._waiting[run_id]:
                del self._waiting[run_id]
        return run

    async def cancel(self, run_id: str) -> None:
        """Wish for the end of a run, where it has not ended."""
        try:
            await self._runs.cancel(run_id, "the step that it did the work of has ended", compensate=False)
        except RunStateConflict:
            return
