"""Starting runs by themselves: every node looks at all schedules each minute, and takes up what nobody has yet.

A minute is one node's, by the store. If that node dies before it has said what became of it, another one takes it up
again, and the run, whose id follows from template and minute, is recorded once in any case. After an outage of all
nodes or of the store the latest missed minute of a schedule is made up for, and no earlier one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from uuid import UUID, uuid5

import structlog

from a2a_node.model.errors import IdempotencyKeyReused, InternalError, MeshError, NodeDraining, StoreUnavailable
from a2a_node.model.schedules import Scheduled, Schedules
from a2a_node.workflows.cron import Cron, cron_fault

CATCH_UP = timedelta(days=1)  # that a missed minute may be ago
LEASE = 20.0  # seconds until a minute of which nobody says more is taken up by another node
AGAIN = 5.0  # seconds until the next look while the store is away
MINUTE = timedelta(minutes=1)
LATE = 0.05  # seconds after a minute's beginning: the store's clock is what counts
STARTED = "started"
RUNS = UUID("5f3c2f1e-9a55-4e0c-8a34-9e0f2b7a6c11")  # the space of the ids of scheduled runs

Start = Callable[[Scheduled, datetime, str], Awaitable[None]]  # of a run for a minute, under an id; any MeshError
log = structlog.get_logger()


class Scheduler:
    """Starts runs; `run` is the work beside a node. `resting` says when this node leaves it to others."""

    def __init__(self, schedules: Schedules, start: Start, resting: Callable[[], bool]) -> None:
        self._schedules, self._start, self._resting = schedules, start, resting
        self.started = self.refused = 0

    async def run(self) -> None:
        """Look at every minute's beginning, for ever."""
        wait = 0.0
        while True:
            await asyncio.sleep(wait)
            wait = await self.look()

    async def look(self) -> float:
        """Start what is due; the seconds until the next look."""
        if self._resting():
            return AGAIN
        try:
            timetable = await self._schedules.timetable()
            waiting = False
            for one in timetable.scheduled:
                minute = due(one, timetable.now)
                if minute is not None and not await self._taken_up(one, minute):
                    waiting = True
        except StoreUnavailable:
            return AGAIN
        return LEASE if waiting else until_next(timetable.now)

    async def _taken_up(self, one: Scheduled, minute: datetime) -> bool:
        """Whether this node has seen to it; else another one does."""
        if not await self._schedules.take(one.template, minute, LEASE):
            return False
        outcome = STARTED
        try:
            await self._start(one, minute, run_id(one.template, minute))
        except IdempotencyKeyReused:  # the run is there, of another version: put between the two who took this up
            pass
        except (StoreUnavailable, NodeDraining):
            return False
        except MeshError as failure:
            outcome = failure.reason
        except Exception:
            log.exception("unexpected failure of a schedule", template=one.template)
            outcome = InternalError.reason
        await self._schedules.settle(one.template, minute, outcome)
        self._tell(one, minute, outcome)
        return True

    def _tell(self, one: Scheduled, minute: datetime, outcome: str) -> None:
        if outcome == STARTED:
            self.started += 1
            return
        self.refused += 1
        log.warning("a scheduled run was not started", template=one.template, minute=str(minute), reason=outcome)


def due(one: Scheduled, now: datetime) -> datetime | None:
    """The minute of a schedule that is to be taken up: the latest one since the last, or since it was put."""
    if cron_fault(one.schedule):  # written by software that reads more
        return None
    after = max(one.created_at, now - CATCH_UP)
    if one.minute is not None:
        after = max(after, one.minute if one.outcome else one.minute - MINUTE)
    return Cron.of(one.schedule).latest(after, now)


def until_next(now: datetime) -> float:
    """Seconds until a little after the next minute's beginning."""
    return 60.0 - now.second - now.microsecond / 1e6 + LATE


def run_id(template: str, minute: datetime) -> str:
    """The id of the run of a template for a minute."""
    return str(uuid5(RUNS, f"{template} {minute.isoformat()}"))
