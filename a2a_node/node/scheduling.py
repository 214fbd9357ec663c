"""Schedules: their runs are started as by a call of whoever put the template, through the layers of everybody's calls.

So the layers say whether the key still holds, whether it may start runs now, and whether it is frozen; and the audit,
the access log and the trace have it as any StartRun, refused or not.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from a2a_node.mesh.background import background
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import EnvelopeInvalid
from a2a_node.model.places import EngineDoor
from a2a_node.model.schedules import Scheduled
from a2a_node.model.warrants import StepOfRun
from a2a_node.node.recording import recording
from a2a_node.node.rooms import Rooms
from a2a_node.pipeline.steps import ENGINE
from a2a_node.services.runs import RunRooms
from a2a_node.services.workflow import WorkflowService
from a2a_node.wire.warrants import entries_of
from a2a_node.workflows.schedules import Scheduler, Start
from a2a_node.workflows.starting import Wanted

METHOD = "/a2amesh.v1.WorkflowService/StartRun"
STEP = "schedule"  # in the place of a step's id, where the audit and the access log say of which run it is


@asynccontextmanager
async def scheduling(rooms: Rooms, incoming: Proceed) -> AsyncIterator[tuple[WorkflowService, Scheduler]]:
    """Serve workflows and start what is due until the block ends; `incoming` are the folded layers."""
    draining = rooms.underway.draining
    async with recording(rooms) as (service, runs):
        start = _starting(runs, incoming, rooms.itself.engine)
        scheduler = Scheduler(rooms.kept.schedules, start, lambda: draining.begun)
        async with background(scheduler.run):
            yield service, scheduler


def _starting(runs: RunRooms, incoming: Proceed, engine: EngineDoor) -> Start:
    async def start(one: Scheduled, minute: datetime, run_id: str) -> None:
        async def rest(call: Call) -> None:
            about = {"schedule": one.schedule, "minute": minute.isoformat()}
            await runs.begin(Wanted(one.template, one.version, metadata=about), call, run_id)

        if not one.authority:
            raise EnvelopeInvalid("stripped", "the template was put before schedules were kept; put it again")
        metadata = dict(entries_of(engine.key, one.authority, StepOfRun(run_id, STEP)))
        await incoming(Call(METHOD, rest, metadata, peer_of=lambda: "inside", door=ENGINE))  # type: ignore[arg-type]

    return start
