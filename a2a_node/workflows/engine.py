"""An executor of runs: holds a lease, claims runs, has them walked, and tells them what people say meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from math import inf
from typing import Protocol

import structlog

from a2a_node.model.errors import InternalError, MeshError, RunNotFound, StoreUnavailable
from a2a_node.model.runs import Run, RunChange, RunLost, RunStatus, StepStatus
from a2a_node.model.workflows import Template
from a2a_node.workflows.lease import Executor, Lease
from a2a_node.workflows.news import News
from a2a_node.workflows.reading import Record, patiently
from a2a_node.workflows.walk import Walk
from a2a_node.workflows.walk_ports import Given, House

MOST_RUNS = 100  # at work at once in one executor; runs that only wait do not count
MOST_WAITING = 2000  # that wait for people; those that wait for other runs do not count, or these might never begin
REST = 0.05  # seconds between two claims: runs that begin meanwhile are claimed together
PAUSE = 0.5  # seconds until a store that is away is asked again
CLEANING = 60.0  # seconds between two passes over what the engine remembers

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Remembers(Protocol):
    """The durable engine below."""

    async def begin(self, run_id: str, group: int) -> None:
        """Begin a run, or go on with one that was begun elsewhere."""

    async def forget(self) -> None:
        """Forget what has ended."""


class Engine:
    """Executes runs until it is told to leave."""

    def __init__(
        self,
        who: Executor,
        lease: Lease,
        record: Record,
        template: Callable[[str, int], Awaitable[Template]],
        house: Callable[[News], House],
    ) -> None:
        self._who, self._lease, self._record, self._template = who, lease, record, template
        self.news = News(record)
        self._house = house(self.news)
        self._walks: dict[str, Walk] = {}
        self._look = asyncio.Event()
        self._leaving = self._full = False
        self._searched = -inf  # by the loop's clock, when it looked for what others have lost
        self._beginning: dict[asyncio.Task[None], str] = {}  # and which runs they begin

    async def execute(self, remembers: Remembers) -> None:
        """Claim and walk runs, until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._lease.renewed())
            group.create_task(self._heard())
            group.create_task(self._cleaned(remembers))
            await self._claimed(remembers)

    async def leave(self, grace: float) -> None:
        """Begin nothing more, wait so many seconds at most for what is at work, and let others have the runs."""
        self._leaving = True
        for walk in self._walks.values():
            walk.leave()
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await asyncio.gather(*(walk.left.wait() for walk in self._walks.values()))
        await self._lease.end()

    async def walk(self, run_id: str) -> str:
        """Walk a run that was claimed; never ends for one that is another's, or is walked already.

        What was taken over is begun twice where it begins so late that it was asked for again.
        """
        walk = self._walks.get(run_id)
        if walk is None or walk.going:
            return await self._never(run_id)
        try:
            return await walk.go()
        except RunLost:
            self._forget(run_id, walk)
            return await self._never(run_id)
        except Exception:
            log.exception("a run failed for a reason that nobody foresaw", run=run_id)
            await self._failed(run_id, InternalError())
            return str(RunStatus.FAILED)
        finally:
            self._forget(run_id, walk)
            if self._full or walk.bounded:
                self._look.set()

    def _forget(self, run_id: str, walk: Walk) -> None:
        if self._walks.get(run_id) is walk:  # a run that was taken up again has another by now
            del self._walks[run_id]

    async def _never(self, run_id: str) -> str:
        """What others walk is left as it is: whatever was said of it here would be wrong."""
        log.warning("a run is walked by others", run=run_id)
        await asyncio.Event().wait()
        raise AssertionError(run_id)

    async def _heard(self) -> None:
        """Take what people say of runs, and look for others that begin."""
        while True:
            try:
                async with self._record.wanted() as ids:
                    await self._looked_at_all()
                    async for run_id in ids:
                        await (self._looked_at(run_id) if run_id else self._looked_at_all())
            except StoreUnavailable as failure:
                log.warning("the engine hears nothing of runs", reason=failure.message)
                await asyncio.sleep(PAUSE)

    async def _looked_at_all(self) -> None:
        for run_id in [*self._walks]:
            await self._looked_at(run_id)
        self.news.all()
        self._searched = -inf
        self._look.set()

    async def _looked_at(self, run_id: str) -> None:
        self.news.of(run_id)
        walk = self._walks.get(run_id)
        if walk is None:
            self._look.set()
            return
        try:
            await walk.look()
        except RunNotFound:
            return

    async def _claimed(self, remembers: Remembers) -> None:
        """Claim runs when some may be there, and now and then, because a lease ends in silence."""
        loop = asyncio.get_running_loop()
        while True:
            self._look.clear()
            rested = loop.time() + REST
            self._full = (room := self._room()) <= 0
            if not self._full and not self._leaving:
                await self._claim(remembers, room)
            with suppress(TimeoutError):
                async with asyncio.timeout(self._who.lease / 3):
                    await self._look.wait()
            await asyncio.sleep(rested - loop.time())

    def _room(self) -> int:
        """How many runs it may claim now."""
        working = sum(not walk.parked for walk in self._walks.values())
        waiting = sum(walk.parked and not walk.waits_for_runs for walk in self._walks.values())
        return min(MOST_RUNS - working, MOST_WAITING - waiting) - len(self._beginning)

    async def _claim(self, remembers: Remembers, room: int) -> None:
        try:
            runs = await self._taken_by(room)
        except StoreUnavailable as failure:
            log.warning("no runs can be claimed", reason=failure.message)
            await asyncio.sleep(PAUSE)
            self._searched = -inf  # it may have claimed some without an answer
            self._look.set()
            return
        for run in runs:
            task = asyncio.create_task(self._begun(remembers, run))
            self._beginning[task] = run.id
            task.add_done_callback(self._beginning.pop)
        if len(runs) == room:  # there may be more, of either kind
            self._searched = -inf
            self._look.set()

    async def _taken_by(self, room: int) -> Sequence[Run]:
        """Runs that it has from now on; now and then also those that were lost, by others or by an answer."""
        now, searched = asyncio.get_running_loop().time(), self._searched
        known = [*self._walks, *self._beginning.values()]
        fresh = now - searched < self._who.lease / 6
        if not fresh:
            self._searched = now
        return await self._record.claim(self._who.id, room, known, fresh=fresh)

    async def _begun(self, remembers: Remembers, run: Run) -> None:
        try:
            await self._taken(run)
            await remembers.begin(run.id, run.wishes.group)
        except MeshError as error:
            log.warning("a run cannot be begun", run=run.id, reason=error.message)
            await self._never_begun(run.id, error)
        except Exception:
            log.exception("a run cannot be begun", run=run.id)
            await self._never_begun(run.id, InternalError())

    async def _never_begun(self, run_id: str, error: MeshError) -> None:
        self._walks.pop(run_id, None)
        await self._failed(run_id, error)

    async def _taken(self, run: Run) -> None:
        """Make ready what walks a run."""
        template = await patiently(partial(self._template, run.template, run.template_version))
        self._walks[run.id] = walk = Walk(Given(run, template), self._house)
        if self._leaving:
            walk.leave()
        if any(step.status is not StepStatus.PENDING for step in run.steps):  # else the first change hears of it
            await patiently(partial(self._looked_at, run.id))  # what was said since it was claimed met no walk

    async def _failed(self, run_id: str, error: MeshError) -> None:
        ended = RunChange(RunStatus.FAILED, error=error)
        try:
            await patiently(partial(self._record.change, self._who.id, run_id, (), ended))
        except RunLost:
            log.warning("a run that failed is another executor's by now", run=run_id)

    async def _cleaned(self, remembers: Remembers) -> None:
        while True:
            await asyncio.sleep(CLEANING)
            try:
                await remembers.forget()
            except Exception:
                log.exception("what has ended could not be forgotten")
