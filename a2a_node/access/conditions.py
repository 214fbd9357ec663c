"""Conditions: CEL expressions that are checked when they are given, and bounded in time when they are asked.

The engine has no limit of its own and holds the interpreter while it works, so that no thread and no timer could stop
it. Hence two fences. What could grow is refused beforehand: functions that are not listed, a second loop, sums beside
a loop. And every name that an expression reads is handed out by us: once its time is over it gets none, and fails.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from time import thread_time
from typing import TYPE_CHECKING

from a2a_node.access.zones import ZONED
from a2a_node.model.errors import InvalidInput

if TYPE_CHECKING:
    from cel import Program

MOST, LENGTH = 8, 1024  # conditions of a grant, characters of each
ITEMS = 100  # of a list or an object that a condition may walk through
PATIENCE = 0.005  # seconds of the processor that all conditions of one decision may take together
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
LOOPS = frozenset(("all", "exists", "exists_one", "existsOne", "filter"))
CALLABLE = LOOPS | frozenset(
    (
        *("has", "size", "contains", "startsWith", "endsWith", "in"),
        *("int", "uint", "double", "string", "timestamp", "duration", *ZONED),
    )
)
CALLED = re.compile(r"([A-Za-z_]\w*)[ `]*\(")
CALL_FIELD = re.compile(r"\bcall *\. *(\w+)")
PLAIN = re.compile(r"[^\x00-\x1f]+")  # without line ends there is no comment to hide a name behind


async def ready() -> None:
    """Load the engine, beside the loop: it takes a tenth of a second, and most nodes never need it."""
    await asyncio.to_thread(importlib.import_module, "cel")
    logging.getLogger("cel").disabled = True  # its warnings quote what calls bring


def checked_conditions(field: str, texts: Sequence[str]) -> tuple[str, ...]:
    """The conditions themselves; InvalidInput names the one that is no condition, or could take too long."""
    if len(texts) > MOST:
        raise InvalidInput(field, f"has {len(texts)} conditions, the limit is {MOST}")
    for place, text in enumerate(texts):
        if fault := _fault(text):
            raise InvalidInput(f"{field}[{place}]", fault)
    return tuple(texts)


class Conditions:
    """Says whether conditions hold. One that fails, or for which no time is left, counts as false."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience = patience
        self._until = 0.0
        self._values: Mapping[str, object] = {}

    @contextmanager
    def asked(self, values: Mapping[str, object]) -> Iterator[None]:
        """Ask conditions in the block, of these values, in the patience that all of them share."""
        self._values, self._until = values, thread_time() + self._patience
        try:
            yield
        finally:
            self._values, self._until = {}, 0.0

    def hold(self, texts: Sequence[str], uses: int) -> bool:
        """Whether all of them are true, of a grant that has been used that often."""
        return all(self._holds(text, uses) for text in texts)

    def _holds(self, text: str, uses: int) -> bool:
        from cel import Context  # noqa: PLC0415 - as `ready` says

        def value(name: str) -> object:
            if thread_time() > self._until:
                return None  # an unknown name ends the expression
            return uses if name == "uses" else self._values.get(name)

        program = _compiled(text)
        if program is None:
            return False
        context = Context(functions=dict(ZONED))
        context.set_variable_resolver(value)
        try:
            return program.execute(context) is True
        except Exception:  # noqa: BLE001 - whatever goes wrong in an expression of a user, it is not true
            return False


def bounded_context(field: str, context: Mapping[str, object], limit: int) -> Mapping[str, object]:
    """The context itself; InvalidInput when it has more than `limit` bytes as JSON, or a list too long to walk."""
    size = len(json.dumps(context, separators=(",", ":")).encode())
    if size > limit:
        raise InvalidInput(field, f"has {size} bytes as JSON, the limit is {limit}")
    if _longest(context) > ITEMS:
        raise InvalidInput(field, f"has a list or an object with more than {ITEMS} items")
    return context


def _longest(value: object) -> int:
    """The items of the longest list or object in it."""
    inner = [*value.values()] if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return max(len(inner), *(_longest(one) for one in inner), 0)


def counts(texts: Sequence[str]) -> bool:
    """Whether a condition asks how often its grant was used."""
    return any("uses" in text for text in texts)


@lru_cache(KEPT)
def _compiled(text: str) -> Program | None:
    """The program of a condition; None for one that would not be accepted, whoever wrote it down."""
    return None if _fault(text) else _program(text)


def _program(text: str) -> Program:
    import cel  # noqa: PLC0415 - as `ready` says

    return cel.compile(text)


def _fault(text: str) -> str:
    """What is wrong with a condition, in words; empty when nothing is."""
    if not text or len(text) > LENGTH:
        return f"has {len(text)} characters, 1 to {LENGTH} are allowed"
    if not PLAIN.fullmatch(text):
        return "has line ends or control characters"
    called = CALLED.findall(text)
    if unknown := [name for name in called if name not in CALLABLE]:
        return f"calls {unknown[0]!r}; these can be called: {', '.join(sorted(CALLABLE))}"
    if unknown := [name for name in CALL_FIELD.findall(text) if name not in OF_CALL]:
        return f"reads call.{unknown[0]}; call has: {', '.join(OF_CALL)}"
    loops = sum(name in LOOPS for name in called)
    if loops > 1:
        return "has more than one loop; give each its own condition"
    return _fault_of_program(text, loops)


def _fault_of_program(text: str, loops: int) -> str:
    try:
        program = _program(text)
    except ValueError as error:
        return f"is no CEL expression: {str(error).splitlines()[0][:200]}"
    unknown = sorted(set(program.variables()) - NAMES)
    if len(unknown) > loops:
        return f"reads {unknown[0]!r}; it can read: {', '.join(sorted(NAMES))}"
    if loops and "_+_" in program.functions():
        return "adds beside a loop, which could grow without end"
    return _fault_of_type(program)


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
