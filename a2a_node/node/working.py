"""The worker of a node, which executes runs: started when there are any, again when it ended, ended with the node."""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from time import monotonic

import structlog

from a2a_node.client.connection import ENVELOPE_BYTES
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.runs import RunFilter, RunStatus
from a2a_node.node.orders import LEAVE, Orders, spaced
from a2a_node.node.rooms import Rooms
from a2a_node.node.spawned import Spawned
from a2a_node.node.telling import READY, told
from a2a_node.node.traces import export_of
from a2a_node.services.standing import Standing
from a2a_node.workflows.reading import Record

COMMAND = ("-m", "a2a_node", "engine")  # hidden: what it needs comes through its pipe
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds until a worker is started again that ended soon after its start
STEADY = 60.0  # seconds after which one has not failed to start: another one follows at once
PAUSE = 1.0  # seconds until a store that is away is asked again
CANNOT = 71  # in the place of an exit code, where there was no process: EX_OSERR
PARTING = 2.0  # seconds beyond its grace that a worker gets to leave
OPEN = tuple(status for status in RunStatus if not status.terminal)

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@asynccontextmanager
async def beside(rooms: Rooms, urls: tuple[str, str], standing: Standing) -> AsyncIterator[Working]:
    """The worker of a node, which works on the stores of these URLs, until the block ends."""
    settings, kept, name, door = rooms.settings, rooms.kept, rooms.name, rooms.itself.engine
    orders = Orders(
        *urls,
        name,
        "",  # each has its own
        door.address,
        door.key,
        lease=settings.lease,
        grace=settings.drain,
        max_message=settings.payload_limit + ENVELOPE_BYTES,
        json_logs=settings.json_logs,
        log_texts=settings.log_texts,
        traces=export_of(settings, name),
    )
    working = Working(orders, kept.runs, kept.runs.came, standing.report)
    standing.knows(working)
    async with working.kept(wanted=settings.workflows):
        yield working


class Working:
    """A process beside the node. A node of a mesh without runs has none: it would take memory and a second to start."""

    def __init__(
        self, orders: Orders, record: Record, came: Counter[str], report: Callable[[], Awaitable[None]]
    ) -> None:
        """`came` counts what became of runs at the worker, as that tells; `report` hears of its coming and going."""
        self._orders, self._record, self._came, self._report = orders, record, came, report
        self._worker: Spawned | None = None
        self._ready = asyncio.Event()
        self._leaving = False
        self._failed = 0  # workers that ended soon after their start, one after the other
        self._task: asyncio.Task[None] | None = None

    @asynccontextmanager
    async def kept(self, *, wanted: bool) -> AsyncIterator[None]:
        """Keep a worker, where one is wanted, until the block ends."""
        if wanted:
            self._task = asyncio.create_task(self._kept())
        try:
            yield
        finally:
            await self._ended()

    @property
    def stands(self) -> str:
        """How it is: off, idle (nothing was to be executed yet), starting, ok or down (it does not come up again)."""
        if self._task is None:
            return "off"
        if self._ready.is_set():
            return "ok"
        if self._failed > 1:
            return "down"
        return "idle" if self._worker is None and not self._failed else "starting"

    def space(self, apart: float) -> None:
        """Have it begin steps so many seconds apart."""
        if self._worker is not None:
            self._worker.say(spaced(apart))

    async def leave(self) -> None:
        """Let other nodes have the runs, once the calls under way have ended or their time is over."""
        self._leaving = True
        if (worker := self._worker) is None:
            return
        worker.say(LEAVE)
        with suppress(TimeoutError):
            async with asyncio.timeout(self._orders.grace + PARTING):
                await worker.gone.wait()

    async def _kept(self) -> None:
        await self._wanted()
        while True:
            begun = monotonic()
            code = await self._lived()
            if self._leaving:
                return
            self._failed = 1 if monotonic() - begun > STEADY else self._failed + 1
            pause = min(FIRST_PAUSE * 2.0 ** min(self._failed - 2, 10), LONGEST_PAUSE) if self._failed > 1 else 0.0
            log.warning("the workflow engine ended and is started again", code=code, seconds=pause)
            await self._report()
            await asyncio.sleep(pause)

    async def _wanted(self) -> None:
        """Wait until the mesh has a run that has not ended; from then on it most likely has more."""
        while True:
            try:
                async with self._record.wanted() as ids:
                    if not await self._record.list(RunFilter(statuses=OPEN), None, 1):
                        await anext(ids)
                    return
            except StoreUnavailable:
                await asyncio.sleep(PAUSE)

    async def _lived(self) -> int:
        """A worker from its start to its end; its exit code. What it held is free for others from then on."""
        orders = replace(self._orders, executor=f"{self._orders.node_id}:{secrets.token_hex(4)}")
        try:
            self._worker = worker = await Spawned.started(COMMAND, orders.line())
        except OSError as failure:  # of the machine, which may have no room for a process now
            log.warning("the workflow engine cannot be started", reason=failure.strerror)
            return CANNOT
        try:
            async for line in worker.lines():
                await self._heard(line)
            return await worker.ended()
        finally:
            worker.kill()
            self._worker = None
            self._ready.clear()
            await self._released(orders.executor)

    async def _heard(self, line: bytes) -> None:
        if line == READY:
            self._ready.set()
            await self._report()
        else:
            self._came.update(told(line))

    async def _released(self, executor: str) -> None:
        """End the lease of a worker that is dead for sure: nobody has to wait until it would have ended."""
        try:
            async with asyncio.timeout(PARTING):
                await self._record.release(executor)
        except (StoreUnavailable, TimeoutError):
            log.warning("the runs of a worker that ended wait for the end of its lease", executor=executor)

    async def _ended(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
