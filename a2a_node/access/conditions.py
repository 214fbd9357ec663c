"""Conditions: CEL expressions of grants, within the fence that `expressions.fence` puts around all expressions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from time import thread_time
from typing import TYPE_CHECKING

from a2a_node.expressions import fence
from a2a_node.model.errors import InvalidInput

if TYPE_CHECKING:
    from cel import Program

MOST = 8  # conditions of a grant
ITEMS = 100  # of a list or an object that a condition may walk through
PATIENCE = 0.005  # seconds of the processor that all conditions of one decision may take together, given twice at most
KEPT = 1024  # compiled expressions
NAMES = frozenset(("now", "uses", "call", "context"))
OF_CALL: Mapping[str, object] = {
    "principal": "person:ada",
    "agent": "echo",
    "capability": "say",
    "node": "n",
    "region": "r",
    "zone": "z",
    "hops": 1,
    "payload_bytes": 1,
    "cost": 1,
}  # what `call` has, with a value of each kind
CALL_FIELD = re.compile(r"\bcall *\. *(\w+)")


def checked_conditions(field: str, texts: Sequence[str]) -> tuple[str, ...]:
    """The conditions themselves; InvalidInput names the one that is no condition, or could take too long."""
    if len(texts) > MOST:
        raise InvalidInput(field, f"has {len(texts)} conditions, the limit is {MOST}")
    for place, text in enumerate(texts):
        if fault := _fault(text):
            raise InvalidInput(f"{field}[{place}]", fault)
    return tuple(texts)


class Conditions:
    """Says whether conditions hold. One that fails, or for which no time is left, counts as false.

    Time may be over through nobody's fault: a collection of the interpreter takes more than there is. So it is given
    once more, and to compile a condition that was not asked before takes none of it.
    """

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._until = 0.0
        self._again = False  # whether there is more time once
        self._values: Mapping[str, object] = {}

    @contextmanager
    def asked(self, values: Mapping[str, object]) -> Iterator[None]:
        """Ask conditions in the block, of these values, in the patience that all of them share."""
        self._values, self._until, self._again = values, thread_time() + self._patience, True
        try:
            yield
        finally:
            self._values, self._until, self._again = {}, 0.0, False

    def hold(self, texts: Sequence[str], uses: int) -> bool:
        """Whether all of them are true, of a grant that has been used that often."""
        return all(self._holds(text, uses) for text in texts)

    def _holds(self, text: str, uses: int) -> bool:
        program = self._program(text)
        if program is None:
            return False
        true = self._said(program, uses)
        if true is None and self._again and thread_time() > self._until:
            self._again, self._until = False, thread_time() + self._patience
            true = self._said(program, uses)
        return true is True

    def _said(self, program: Program, uses: int) -> bool | None:
        """What a condition says; None where it fails."""

        def value(name: str) -> object:
            return uses if name == "uses" else self._values.get(name)

        try:
            return fence.asked(program, value, self._until) is True
        except Exception:  # noqa: BLE001 - whatever goes wrong in an expression of a user, it is not true
            return None

    def _program(self, text: str) -> Program | None:
        """The program of a condition, in none of the time."""
        begun = thread_time()
        program = _compiled(text)
        self._until += thread_time() - begun
        return program


def bounded_context(field: str, context: Mapping[str, object], limit: int) -> Mapping[str, object]:
    """The context itself; InvalidInput when it has more than `limit` bytes as JSON, or a list too long to walk."""
    size = len(json.dumps(context, separators=(",", ":")).encode())
    if size > limit:
        raise InvalidInput(field, f"has {size} bytes as JSON, the limit is {limit}")
    if fence.longest(context) > ITEMS:
        raise InvalidInput(field, f"has a list or an object with more than {ITEMS} items")
    return context


def counts(texts: Sequence[str]) -> bool:
    """Whether a condition asks how often its grant was used."""
    return any("uses" in text for text in texts)


@lru_cache(KEPT)
def _compiled(text: str) -> Program | None:
    """The program of a condition; None for one that would not be accepted, whoever wrote it down."""
    return None if _fault(text) else fence.program(text)


def _fault(text: str) -> str:
    """What is wrong with a condition, in words; empty when nothing is."""
    if fault := fence.fault(text, NAMES):
        return fault
    if unknown := [name for name in CALL_FIELD.findall(text) if name not in OF_CALL]:
        return f"reads call.{unknown[0]}; call has: {', '.join(OF_CALL)}"
    return _fault_of_type(fence.program(text))


def _fault_of_type(program: Program) -> str:
    """Try it once, on values of the right kinds: a condition is true or false."""
    tried = {"now": datetime.now(UTC), "uses": 0, "call": dict(OF_CALL), "context": {}}
    try:
        result = program.execute(tried)
    except TypeError as error:
        return f"compares what cannot be compared: {str(error)[:200]}"
    except Exception:  # noqa: BLE001 - it may need what only a call brings, such as a name in `context`
        return ""
    return "" if isinstance(result, bool) else f"is {type(result).__name__}, where true or false is needed"
