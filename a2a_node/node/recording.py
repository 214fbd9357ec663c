"""Workflows: the library of templates, the record of runs, and how long it keeps those that ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from a2a_node.mesh.background import background
from a2a_node.mesh.warranting import Warrants
from a2a_node.node import operations
from a2a_node.node.rooms import Rooms
from a2a_node.services.approving import Approving
from a2a_node.services.runs import RunRooms
from a2a_node.services.workflow import DirectoryAgents, WorkflowService
from a2a_node.workflows.retention import Retention
from a2a_node.workflows.starting import Starting


@asynccontextmanager
async def recording(rooms: Rooms) -> AsyncIterator[tuple[WorkflowService, RunRooms]]:
    """What serves templates and runs, and how runs are begun, until the block ends."""
    settings, kept, knowledge = rooms.settings, rooms.kept, rooms.knowledge
    retention = Retention(kept.runs, timedelta(days=settings.run_retention))
    warrants, approving = Warrants(kept.budgets), Approving(knowledge.decisions, rooms.name)
    agents = DirectoryAgents(knowledge.directory)
    async with (
        operations.shelved(settings, kept.templates, agents, rooms.name) as library,
        background(retention.run),
    ):
        runs = RunRooms(kept.runs, Starting(library), warrants, approving)
        yield WorkflowService(library, runs), runs
