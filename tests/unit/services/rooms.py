"""What WorkflowService needs, in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from a2a_node.access.decisions import Decisions
from a2a_node.access.following import Following
from a2a_node.access.uses import Uses
from a2a_node.mesh.warranting import NewTree
from a2a_node.model.call import Call
from a2a_node.model.runs import Run
from a2a_node.services.approving import Approving
from a2a_node.services.runs import RunRooms
from a2a_node.testing import MemoryGrants, MemoryRuns
from a2a_node.workflows.library import Library
from a2a_node.workflows.starting import Starting


@asynccontextmanager
async def nothing_granted() -> AsyncIterator[Decisions]:
    """Nobody may do anything."""
    grants = MemoryGrants()
    async with Following.grants_of(grants) as following:
        yield Decisions(following, Uses(grants))


def run_rooms(
    library: Library, decisions: Decisions, record: MemoryRuns | None = None, watchers: int = 1000
) -> RunRooms:
    """What serves runs."""
    approving = Approving(decisions, "n1")
    return RunRooms(record or MemoryRuns(), Starting(library), Papers(), approving, watchers)


class Papers:
    """What the record keeps of callers."""

    async def authority_of(self, _: Call, run: NewTree) -> bytes:
        """Of a run that begins."""
        return f"{run.run_id} {run.budget} {run.timeout}".encode()

    async def renewed(self, run: Run, seconds: float | None) -> None:
        """Nothing is spent here."""
