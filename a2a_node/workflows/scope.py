"""What the expressions of a run read: its inputs and context, and what its steps have made."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from typing import cast

from a2a_node.model.errors import InvalidInput, MeshError, PayloadTooLarge
from a2a_node.model.runs import MOST_OUTPUT, StepStatus
from a2a_node.model.workflows import MOST_ITEMS, Object, TemplateStep
from a2a_node.workflows import expressions
from a2a_node.workflows.expressions import ExpressionFailed, Values
from a2a_node.workflows.stand import Stand
from a2a_node.workflows.walk_ports import House

KEPT = 4 * 1024 * 1024  # bytes of outputs in memory for each run; what is more is read again from the record


class Scope:
    """The values of a run's expressions. InvalidInput names the expression that has none."""

    def __init__(self, stand: Stand, house: House) -> None:
        self._stand, self._house = stand, house
        self._kept: OrderedDict[str, tuple[object, int]] = OrderedDict()
        self._size = 0

    def made(self, step_id: str, output: object) -> None:
        """Keep what a step has made for those that come after it."""
        self._keep(step_id, output, size_of(output))

    def forget(self) -> None:
        """Keep nothing in memory: what is needed later is read again from the record."""
        self._kept.clear()
        self._size = 0

    async def holds(self, step: TemplateStep) -> bool:
        """Whether a step's condition is true."""
        value = await self._value(f"steps.{step.id}.if", "${{" + step.condition + "}}", {})
        if not isinstance(value, bool):
            raise InvalidInput(f"steps.{step.id}.if", f"is {type(value).__name__}, where true or false is needed")
        return value

    async def items(self, step: TemplateStep) -> list[object]:
        """What a step goes through."""
        field = f"steps.{step.id}.foreach"
        value = await self._value(field, "${{" + step.foreach + "}}", {})
        if not isinstance(value, list):
            raise InvalidInput(field, f"is {type(value).__name__}, where a list is needed")
        if len(value) > MOST_ITEMS:
            raise InvalidInput(field, f"has {len(value):,} items, the limit is {MOST_ITEMS:,}")
        return value

    async def input(self, step_id: str, given: Object, item: Object) -> Object:
        """What a step gives to whoever does its work; PayloadTooLarge."""
        value = cast("Object", await self._value(f"steps.{step_id}.input", given, item))
        return checked_size(value)

    async def output(self, given: Object) -> Object:
        """What a run makes of its steps; an output of a step that was not done is null."""
        found: dict[str, object] = {}
        for name, value in given.items():
            try:
                found[name] = await self._value(f"output.{name}", value, {})
            except InvalidInput:
                if all(self._stand[one].status is StepStatus.COMPLETED for one in _read(value) if one in self._known()):
                    raise
                found[name] = None
        return checked_size(found)

    async def _value(self, field: str, value: object, item: Object) -> object:
        if not any(expressions.expressions_in(value, ())):
            return value
        names = {
            "inputs": self._stand.run.inputs,
            "context": self._stand.run.context,
            "steps": {name: await self._step(name) for name in _read(value) if name in self._known()},
            **item,
        }
        try:
            return await self._house.aside(lambda: expressions.resolved(value, Values.of(names)))
        except ExpressionFailed as failure:
            raise InvalidInput(field, str(failure)) from None

    async def _step(self, step_id: str) -> Object:
        step = self._stand[step_id]
        output = await self._output(step_id) if step.status in (StepStatus.COMPLETED, StepStatus.FAILED) else None
        return {"output": output, "status": str(step.status), "error": _told(step.error)}

    async def _output(self, step_id: str) -> object:
        if step_id not in self._kept:
            output, _ = await self._house.read(self._stand.run.id, step_id)
            self._keep(step_id, output, size_of(output))
            return output
        self._kept.move_to_end(step_id)
        return self._kept[step_id][0]

    def _keep(self, step_id: str, output: object, size: int) -> None:
        self._size += size - self._kept.pop(step_id, (None, 0))[1]
        self._kept[step_id] = (output, size)
        while self._size > KEPT:
            self._size -= self._kept.popitem(last=False)[1][1]

    def _known(self) -> Mapping[str, object]:
        return self._stand.steps


def size_of(value: object) -> int:
    """Bytes of a value as JSON."""
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def checked_size(value: Object) -> Object:
    """The value itself; PayloadTooLarge when it is larger than inputs and outputs may be."""
    if (size := size_of(value)) > MOST_OUTPUT:
        raise PayloadTooLarge(size, MOST_OUTPUT)
    return value


def _read(value: object) -> Iterable[str]:
    """The steps that a value's expressions read."""
    found = (expressions.references(one.text) for one in expressions.expressions_in(value, ()))
    return {read.name for several in found for read in several if read.root == "steps"}


def _told(error: MeshError | None) -> Object | None:
    return None if error is None else {"reason": error.reason, "code": error.code, "message": error.message}
