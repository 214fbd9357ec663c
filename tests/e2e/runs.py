"""Runs on real nodes: started in the record, watched to their end, their effects counted."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from a2a_node.client import MeshClient
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.runs import Run
from a2a_node.model.workflows import Object
from tests.e2e.nodes import RunningNode

LOOK = 0.05  # seconds between two looks
AGENTS = {"PYTHONPATH": "tests/e2e"}


@dataclass
class Desk:
    """A client of a mesh's nodes, which runs workflows."""

    mesh: MeshClient

    async def begin(self, source: str, inputs: Object | None = None) -> str:
        """Put a template and start a run of it; its id."""
        put = await self.mesh.workflows.put(source)
        return (await self.mesh.workflows.start(put.version.template.name, inputs)).id

    async def until(self, run_id: str, holds: Callable[[Run], bool], seconds: float = 60.0) -> Run:
        """The run, once it stands so."""
        async with asyncio.timeout(seconds):
            while True:
                with suppress(StoreUnavailable):  # a busy machine
                    if holds(run := await self.mesh.workflows.run(run_id)):
                        return run
                await asyncio.sleep(LOOK)

    async def ended(self, run_id: str, seconds: float = 60.0) -> Run:
        """The run, once it has ended."""
        return await self.until(run_id, lambda run: run.status.terminal, seconds)


@asynccontextmanager
async def at_desk(*nodes: RunningNode) -> AsyncIterator[Desk]:
    """A desk beside nodes, which goes on at the next where one is gone."""
    async with MeshClient(",".join(node.address for node in nodes), nodes[0].key) as mesh:
        yield Desk(mesh)


async def soon(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something holds that other processes do."""
    async with asyncio.timeout(seconds):
        while True:
            if holds():
                return
            await asyncio.sleep(LOOK)


def statuses(run: Run) -> dict[str, str]:
    """How each step stands."""
    return {step.id: str(step.status) for step in run.steps}


def lines(effects: Path, suffix: str = "") -> Counter[str]:
    """What was done, and how often."""
    file = effects.with_suffix(suffix)
    return Counter(file.read_text(encoding="utf-8").splitlines() if file.exists() else ())
