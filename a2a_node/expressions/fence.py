"""The fence around CEL expressions: checked when they are given, and bounded in time when they are asked.

The engine has no limit of its own and holds the interpreter while it works, so that no thread and no timer could stop
it. Hence two fences. What could grow is refused beforehand: functions that are not listed, a second loop, sums beside
a loop. And every name that an expression reads is handed out by us: once its time is over it gets none, and fails.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import re
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache
from time import thread_time
from typing import TYPE_CHECKING

from a2a_node.expressions.zones import ZONED

if TYPE_CHECKING:
    from cel import Program

LENGTH = 1024  # characters: a hundredth of a second to compile
KEPT = 1024  # compiled expressions
LOOPS = frozenset(("all", "exists", "exists_one", "existsOne", "filter"))
CALLABLE = LOOPS | frozenset(
    (
        *("has", "size", "contains", "startsWith", "endsWith", "in"),
        *("int", "uint", "double", "string", "timestamp", "duration", *ZONED),
    )
)
CALLED = re.compile(r"([A-Za-z_]\w*)[ `]*\(")
SYNTAX = re.compile(r"ERROR: <input>:1:(\d+): (?:Syntax error: )?(.*)")
PLAIN = re.compile(r"[^\x00-\x1f]+")  # without line ends there is no comment to hide a name behind


async def ready() -> None:
    """Load the engine, beside the loop: it takes a tenth of a second, and most nodes never need it."""
    await asyncio.to_thread(importlib.import_module, "cel")
    quieten()


def quieten() -> None:
    """Have the engine log nothing: its warnings quote what expressions read."""
    logging.getLogger("cel").disabled = True


@lru_cache(KEPT)
def program(text: str) -> Program:
    """The program of an expression; ValueError for what is none."""
    import cel  # noqa: PLC0415 - as `ready` says

    return cel.compile(text)


def fault(text: str, names: AbstractSet[str], more: AbstractSet[str] = frozenset()) -> str:
    """What is wrong with an expression that may read those names, in words; empty when nothing is.

    `more` can be called, too, by expressions of the operator's own.
    """
    if not text or len(text) > LENGTH:
        return f"has {len(text)} characters, 1 to {LENGTH} are allowed"
    if not PLAIN.fullmatch(text):
        return "has line ends or control characters"
    called = CALLED.findall(text)
    if unknown := [name for name in called if name not in CALLABLE | more]:
        return f"calls {unknown[0]!r}; these can be called: {', '.join(sorted(CALLABLE | more))}"
    loops = loops_in(text)
    if loops > 1:
        return "has more than one loop; give each its own expression"
    return _fault_of_program(text, names, loops)


def loops_in(text: str) -> int:
    """How many loops an expression may have, at most."""
    return sum(name in LOOPS for name in CALLED.findall(text))


def asked(program: Program, value: Callable[[str], object], until: float) -> object:
    """What an expression says of the values of names; whatever the engine raises, when the thread's time is over too.

    `until` is a moment of `thread_time`.
    """
    from cel import Context  # noqa: PLC0415 - as `ready` says

    def timely(name: str) -> object:
        return value(name) if thread_time() <= until else None  # an unknown name ends the expression

    context = Context(functions=dict(ZONED))
    context.set_variable_resolver(timely)
    return program.execute(context)


def tried(program: Program, value: Callable[[str], object], patience: float) -> object:
    """The same with so many seconds of the thread's time, given once more: a collection may have taken the first."""
    until = thread_time() + patience
    try:
        return asked(program, value, until)
    except Exception:
        if thread_time() <= until:
            raise
    return asked(program, value, thread_time() + patience)


def longest(value: object) -> int:
    """The items of the longest list or object in a JSON value: what one loop could walk through."""
    inner = [*value.values()] if isinstance(value, Mapping) else value if isinstance(value, list) else []
    return max(len(inner), *(longest(one) for one in inner), 0)


def _fault_of_program(text: str, names: AbstractSet[str], loops: int) -> str:
    try:
        made = program(text)
    except ValueError as error:
        return f"is no CEL expression: {_said(str(error))}"
    unknown = sorted(set(made.variables()) - names)
    if len(unknown) > loops:
        return f"reads {unknown[0]!r}; it can read: {', '.join(sorted(names))}"
    if loops and "+" in text and "_+_" in made.functions():  # `filter` is made of sums, too
        return "adds beside a loop, which could grow without end"
    return ""


def _said(error: str) -> str:
    """What the engine has against a text, without the text and without all that it would have liked."""
    found = SYNTAX.search(error)
    return f"at character {found[1]}, {found[2].partition(' expecting ')[0]}" if found else error.splitlines()[0][:200]
