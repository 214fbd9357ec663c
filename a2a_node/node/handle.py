"""A node that runs, as whoever started it holds it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

from a2a_node.mesh.background import background
from a2a_node.mesh.drain import Draining
from a2a_node.mesh.leaving import Leaving
from a2a_node.model.places import EngineDoor
from a2a_node.node.working import Working
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
    hand_over: Callable[[], Coroutine[object, object, None]]
    """Lets other nodes have the MCP servers of this one."""
    engine: EngineDoor
    working: Working

    async def asked_to_drain(self) -> None:
        """Wait until somebody tells the node to drain, by DrainNode."""
        await self.draining.asked()

    async def drained(self) -> int:
        """Take no new calls and let those under way end, in the time that they get; how many did not."""
        self.draining.begin()
        await self.standing.report()
        handing = asyncio.create_task(self.working.leave())  # the calls of its runs are among those that end
        async with background(self.hand_over):
            left = await self.leaving.done()
        await handing
        return left
