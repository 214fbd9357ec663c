"""The changes of one run on their way into the record: in order, and many in one transaction."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Self

import structlog

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.runs import RunChange, StepChange, Wishes
from a2a_node.workflows.walk_ports import Write

MOST_TOGETHER = 64  # changes in one transaction
MOST_WAITING = 256  # changes; whoever tells more waits
PAUSE = 0.25  # seconds until a store that is away is asked again
LAZY = 0.1  # seconds that a change which nothing depends on waits for others; most calls end within them

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Entry:
    change: StepChange | RunChange
    recorded: asyncio.Future[None] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Journal:
    """What comes while a transaction is under way goes into the next one, so that a busy run needs few of them.

    A step stands in a transaction once, as it stood last: of a short step its beginning is recorded with its end.

    While the store is away changes wait. Whatever else goes wrong, RunLost above all, is raised to all who wait.
    `wished` is told what people want of the run by then, before anybody hears that his change is recorded: nothing
    begins that a wish forbids which was there when what it follows on ended.
    """

    def __init__(self, write: Write, run_id: str, wished: Callable[[Wishes], Awaitable[None]]) -> None:
        self._write, self._run_id, self._wished = write, run_id, wished
        self._waiting: deque[_Entry] = deque()
        self._writer: asyncio.Task[None] | None = None
        self._failure: BaseException | None = None
        self._urgent = asyncio.Event()  # set while a change waits that others depend on

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.wait([self._writer])

    def tell(self, change: StepChange | RunChange, *, lazily: bool = False) -> asyncio.Future[None]:
        """Have it recorded, `lazily` with what comes soon; the future is done when it is."""
        entry = _Entry(change)
        if self._failure is not None:
            entry.recorded.set_exception(self._failure)
        else:
            self._waiting.append(entry)
            if not lazily:
                self.hurry()
            if self._writer is None or self._writer.done():
                self._writer = asyncio.create_task(self._written())
        entry.recorded.add_done_callback(_heard)
        return entry.recorded

    def hurry(self) -> None:
        """Somebody waits for what is there."""
        self._urgent.set()

    async def room(self) -> None:
        """Wait until few changes wait."""
        while len(self._waiting) > MOST_WAITING:
            await asyncio.shield(self._waiting[0].recorded)

    async def _written(self) -> None:
        batch: list[_Entry] = []
        try:
            while self._waiting:
                await self._company()
                batch = self._batch()
                await self._recorded(batch)
                for entry in batch:
                    if not entry.recorded.done():  # whoever waited may have been cancelled
                        entry.recorded.set_result(None)
        except BaseException as failure:
            self._failure = failure
            for entry in (*batch, *self._waiting):
                if not entry.recorded.done():
                    entry.recorded.set_exception(failure)
            self._waiting.clear()
            if not isinstance(failure, Exception):
                raise

    async def _company(self) -> None:
        """Wait for what comes soon, unless somebody waits for what is there."""
        with suppress(TimeoutError):
            async with asyncio.timeout(LAZY):
                await self._urgent.wait()

    def _batch(self) -> list[_Entry]:
        """What goes into one transaction: to the end of the run, or to what follows on an agent's word, at most."""
        batch: list[_Entry] = []
        spoken: set[str] = set()
        while self._waiting and len(batch) < MOST_TOGETHER:
            change = self._waiting[0].change
            if isinstance(change, StepChange):
                if change.progress is not None:
                    spoken.add(change.step.id)
                elif change.step.id in spoken:
                    break
            batch.append(self._waiting.popleft())
            if isinstance(change, RunChange) and change.status.terminal:
                break
        if not self._waiting:
            self._urgent.clear()
        return batch

    async def _recorded(self, batch: list[_Entry]) -> None:
        steps = _together([entry.change for entry in batch if isinstance(entry.change, StepChange)])
        run = next((entry.change for entry in reversed(batch) if isinstance(entry.change, RunChange)), None)
        while True:
            try:
                wishes = await self._write(self._run_id, steps, run)
            except StoreUnavailable as failure:
                log.warning("a run waits for the store", run=self._run_id, reason=failure.message)
                await asyncio.sleep(PAUSE)
            else:
                if run is None or not run.status.terminal:
                    await self._wished(wishes)
                return


def _together(changes: Sequence[StepChange]) -> Sequence[StepChange]:
    """Each step once, as it stood last, with all that was told of it; what agents said stays as it is."""
    stood: dict[str, list[StepChange]] = {}
    said: list[StepChange] = []
    for change in changes:
        if change.progress is None:
            stood[change.step.id] = [*stood.pop(change.step.id, ()), change]
        else:
            said.append(change)
    return [*(_last(told) for told in stood.values()), *said]


def _last(told: Sequence[StepChange]) -> StepChange:
    """The last change, and what only earlier ones told: each value is told once."""
    last = told[-1]
    if len(told) == 1:
        return last
    given = next((one.step.input for one in reversed(told) if one.step.input is not None), None)
    made = next((one.step.output for one in reversed(told) if one.step.output is not None), None)
    items = {index: output for one in told for index, output in one.items.items()}
    return replace(last, step=replace(last.step, input=given, output=made), items=items)


def _heard(recorded: asyncio.Future[None]) -> None:
    """Not everybody waits; the walk hears of a failure with its next change."""
    if not recorded.cancelled():
        recorded.exception()
