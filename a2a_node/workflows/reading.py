"""What an executor reads and writes of runs, and the templates that they are of."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol, TypeVar

from a2a_node.model.errors import StoreUnavailable, TemplateInvalid
from a2a_node.model.run_ports import Execution, Runs
from a2a_node.model.runs import Run, RunChange, StepChange, Wishes
from a2a_node.model.workflow_ports import Templates
from a2a_node.model.workflows import Template
from a2a_node.workflows.template import Reading, read_template

KEPT = 64  # templates
T = TypeVar("T")
PAUSE = 0.5  # seconds until a store that is away is asked again


class Record(Runs, Execution, Protocol):
    """The record of runs, both sides of it."""


class Recorded:
    """The record as one executor uses it."""

    def __init__(self, record: Record, executor: str) -> None:
        self._record, self._executor = record, executor

    async def write(self, run_id: str, steps: Sequence[StepChange], run: RunChange | None) -> Wishes:
        """All or nothing, and what people want of the run by then; RunLost, StoreUnavailable."""
        return (await self._record.change(self._executor, run_id, steps, run)).wishes

    async def run(self, run_id: str) -> Run:
        """A run as it stands; waits while the store is away. RunNotFound."""
        return await patiently(partial(self._record.get, run_id))

    async def read(self, run_id: str, step_id: str) -> tuple[object, dict[int, object]]:
        """The output of a step, whole, and those of its items; waits while the store is away."""
        data = await patiently(partial(self._record.data, run_id, step_id))
        return data.output, dict(data.items)


class Shelf:
    """The templates that runs are of; a version never changes, so that those in use are read once."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._kept: OrderedDict[tuple[str, int], Template] = OrderedDict()
        self._turn = asyncio.Lock()

    async def template(self, name: str, version: int) -> Template:
        """A version of a template; TemplateNotFound, and TemplateInvalid for one that this software cannot read."""
        async with self._turn:  # many runs begin with the same: it is read once
            if (name, version) not in self._kept:
                self._keep(name, version, await self._read(name, version))
            self._kept.move_to_end((name, version))
            return self._kept[name, version]

    async def _read(self, name: str, version: int) -> Template:
        source = (await self._templates.get(name, version)).source
        reading = await asyncio.to_thread(read_template, source)
        if not isinstance(reading, Reading):
            raise TemplateInvalid([(f"{one.line}:{one.column}", one.message) for one in reading])
        return reading.template

    def _keep(self, name: str, version: int, template: Template) -> None:
        self._kept[name, version] = template
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)


async def patiently(asked: Callable[[], Awaitable[T]]) -> T:
    """What the store answers, once it is there; the lease ends before that takes long."""
    while True:
        try:
            return await asked()
        except StoreUnavailable:
            await asyncio.sleep(PAUSE)
