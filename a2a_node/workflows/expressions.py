"""Expressions in templates: where they stand, what they read, and what they say of values that are known.

A text that is one expression becomes its value; expressions among other words become text there. They are CEL within
the fence that `expressions.fence` puts around all expressions, so that none of them can hold up who asks it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from math import isfinite
from time import thread_time

from a2a_node.expressions import fence
from a2a_node.model.workflows import MOST_ITEMS, Object
from a2a_node.workflows.source import Path

NAMES = frozenset(("inputs", "context", "steps"))
ITEM_NAMES = NAMES | {"item", "index"}  # inside of a step that goes through a list
OF_STEP = ("output", "status", "error")  # what a step has, once it is done
PATIENCE, TOGETHER = 0.05, 2.0  # seconds of the processor for one expression, and for all of a template
KEPT = 4096  # expressions that were looked at
WRAPPED = re.compile(r"\$\{\{(.*?)\}\}", re.DOTALL)
QUOTED = re.compile(r'"(?:\\.|[^"\\])*"|\'(?:\\.|[^\'\\])*\'')
READ = re.compile(r"(?<![\w.])(steps|inputs)\b(?:\s*\.\s*(\w+))?(?:\s*\.\s*(\w+))?")
PATH = re.compile(r"(?:inputs|steps)(?:\.[A-Za-z_]\w*)+")


class ExpressionFailed(Exception):
    """An expression has no value, and why."""


@dataclass(frozen=True, slots=True)
class Expression:
    """An expression, and where it stands: so many characters after the beginning of what is at the path."""

    text: str
    path: Path
    begin: int = 0


@dataclass(frozen=True, slots=True)
class Reference:
    """What an expression reads: `root.name.field`, each empty where it stops before; so many characters into it."""

    root: str
    name: str
    field: str
    begin: int


def unwrapped(text: str) -> str:
    """The expression of a text that is one, with or without `${{` around it."""
    found = whole(text)
    return text.strip() if found is None else found


def whole(value: object) -> str | None:
    """The expression of a value that is nothing else; None for all others."""
    found = WRAPPED.fullmatch(value.strip()) if isinstance(value, str) else None
    return found[1].strip() if found and "}}" not in found[1] else None


def expressions_in(value: object, path: Path) -> Iterator[Expression]:
    """All expressions between `${{` and `}}` in a JSON value."""
    if isinstance(value, str):
        for found in WRAPPED.finditer(value):
            text = found[1].strip()
            yield Expression(text, path, found.start(1) + found[1].find(text))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from expressions_in(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from expressions_in(inner, (*path, place))


def unclosed(value: object, path: Path) -> Iterator[Path]:
    """The texts in a JSON value in which a `${{` has no `}}`."""
    if isinstance(value, str):
        if "${{" in WRAPPED.sub("", value):
            yield path
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from unclosed(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from unclosed(inner, (*path, place))


@lru_cache(KEPT)
def fault(text: str, *, of_item: bool = False) -> str:
    """What is wrong with an expression, in words; empty when nothing is."""
    fence.quieten()
    return fence.fault(text, ITEM_NAMES if of_item else NAMES)


def references(text: str) -> Iterator[Reference]:
    """What an expression reads of inputs and steps."""
    bare = QUOTED.sub(lambda quoted: "'" * len(quoted[0]), text)
    for found in READ.finditer(bare):
        yield Reference(found[1], found[2] or "", found[3] or "", found.start())


def path_of(text: str) -> tuple[str, ...]:
    """The names of an expression that is nothing but `inputs.a.b` or `steps.s.output.c`; empty for all others."""
    return tuple(text.split(".")) if PATH.fullmatch(text) else ()


@dataclass(frozen=True, slots=True)
class Values:
    """The values of names, as far as they are known, and until when expressions are asked, by `thread_time`."""

    names: Object
    until: float

    @classmethod
    def of(cls, names: Object) -> Values:
        """With the time that all expressions of a template have together, from now on, in this thread."""
        return cls(names, thread_time() + TOGETHER)


def reads_only(text: str, values: Values) -> bool:
    """Whether an expression, one without a fault, reads nothing but the names that have values."""
    return set(fence.program(text).variables()) <= values.names.keys()


def evaluated(text: str, values: Values) -> object:
    """The JSON value of an expression without a fault; ExpressionFailed."""
    now = thread_time()
    if now > values.until:
        raise ExpressionFailed("comes too late: the expressions of the template take too long together")
    if fence.loops_in(text) and fence.longest(values.names) > MOST_ITEMS:
        raise ExpressionFailed(f"goes through values of which one has more than {MOST_ITEMS:,} items")
    try:
        value = fence.tried(fence.program(text), values.names.get, min(values.until - now, PATIENCE))
    except Exception as error:  # noqa: BLE001 - the engine raises what it likes
        said = str(error).splitlines() or [type(error).__name__]
        kind = f"has no {said[0]}" if isinstance(error, KeyError) else said[0][:200]
        raise ExpressionFailed(kind) from None
    return _as_json(value)


def resolved(value: object, values: Values) -> object:
    """A JSON value with its expressions evaluated; those that read what is not known stay. ExpressionFailed."""
    if isinstance(value, Mapping):
        return {key: resolved(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolved(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    if (text := whole(value)) is not None:
        return evaluated(text, values) if reads_only(text, values) else value

    def written(found: re.Match[str]) -> str:
        text = found[1].strip()
        return _as_text(evaluated(text, values)) if reads_only(text, values) else found[0]

    return WRAPPED.sub(written, value)


def _as_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _as_json(value: object) -> object:
    """The same with the keys of objects in order; ExpressionFailed for what JSON cannot say, such as a moment or bytes.

    CEL has the keys in another order each time, and a step's call that is made again must say the same under its key.
    """
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise ExpressionFailed("makes an object with a key that is no text")
        return {key: _as_json(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_as_json(inner) for inner in value]
    if isinstance(value, float) and not isfinite(value):
        raise ExpressionFailed("makes a number that JSON cannot say")
    if value is not None and not isinstance(value, bool | int | float | str):
        raise ExpressionFailed(f"makes a {type(value).__name__}, which JSON cannot say; string(...) can")
    return value
