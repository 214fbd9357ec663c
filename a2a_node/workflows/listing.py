"""A step that goes through a list: so many items at once, each done once, whichever engine does it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from a2a_node.model.errors import MeshError, PayloadTooLarge
from a2a_node.model.runs import MOST_OUTPUT, StepItems, StepStatus
from a2a_node.model.workflows import OnFailure, TemplateStep
from a2a_node.workflows.desk import MOST_AT_WORK, Desk
from a2a_node.workflows.scope import size_of

One = Callable[[int, object], Awaitable[object]]


async def each(desk: Desk, step: TemplateStep, one: One) -> list[object]:
    """What was made of each item, in their order.

    The first failure ends them all, unless the run goes on after one: then the others are done, too, what failed is
    null, and the step has failed.
    """
    items = await desk.scope.items(step)
    await desk.expand(step, len(items))
    known: dict[int, object] = {}
    if desk.stand[step.id].items is not None:
        known = (await desk.house.read(desk.stand.run.id, step.id))[1]
    counts = StepItems(len(items), len(known))
    desk.stand.tell(step.id, status=StepStatus.RUNNING, items=counts, error=None)
    listing = _Listing(desk, step, one, known)
    try:
        await listing.go(items)
    finally:
        await listing.stop()
    return listing.made(len(items))


class _Listing:
    def __init__(self, desk: Desk, step: TemplateStep, one: One, known: dict[int, object]) -> None:
        self._desk, self._step, self._one, self._known = desk, step, one, known
        self._room = asyncio.Semaphore(step.max_concurrent_items or MOST_AT_WORK)
        self._goes_on = step.on_failure is OnFailure.CONTINUE
        self._size = sum(map(size_of, known.values()))
        self._failures: dict[int, MeshError] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def go(self, items: list[object]) -> None:
        self._tasks = [
            asyncio.create_task(self._done(index, item)) for index, item in enumerate(items) if index not in self._known
        ]
        await asyncio.gather(*self._tasks)

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def made(self, count: int) -> list[object]:
        """The outputs; the failure of the first item that failed, with what the others made kept beside it."""
        made = [self._known.get(index) for index in range(count)]
        if self._failures:
            self._desk.scope.made(self._step.id, made)
            self._desk.stand.tell(self._step.id, output=made)
            raise self._failures[min(self._failures)]
        return made

    async def _done(self, index: int, item: object) -> None:
        async with self._room:
            try:
                output = await self._one(index, item)
                self._grow(size_of(output) + 1)
            except MeshError as error:
                if not self._goes_on:
                    raise
                self._failures[index] = error
                self._tell(failed=1)
                return
            self._known[index] = output
            await self._tell(index, completed=1)

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > MOST_OUTPUT:
            raise PayloadTooLarge(self._size, MOST_OUTPUT)

    def _tell(self, index: int | None = None, completed: int = 0, failed: int = 0) -> asyncio.Future[None]:
        stand, name = self._desk.stand, self._step.id
        was = stand[name].items or StepItems(0)
        counts = replace(was, completed=was.completed + completed, failed=was.failed + failed)
        outputs = {} if index is None else {index: self._known[index]}
        return stand.tell(name, outputs, items=counts)
