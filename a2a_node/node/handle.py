"""A node that runs, as whoever started it holds it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from a2a_node.mesh.drain import Draining
from a2a_node.mesh.leaving import Leaving
from a2a_node.services.standing import Standing


@dataclass(frozen=True, slots=True)
class Node:
    """A node that runs."""

    id: str
    grpc_address: str
    http_address: str
    key_file: Path
    draining: Draining
    standing: Standing
    leaving: Leaving

    async def asked_to_drain(self) -> None:
        """Wait until somebody tells the node to drain, by DrainNode."""
        await self.draining.asked()

    async def drained(self) -> int:
        """Take no new calls and let those under way end, in the time that they get; how many did not."""
        self.draining.begin()
        await self.standing.report()
        return await self.leaving.done()
