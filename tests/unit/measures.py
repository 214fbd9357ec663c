"""What is measured of the files of the house."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).parents[2]
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Measures:
    """What is measured of a function."""

    place: str
    lines: int  # from its name to its end, without its docstring
    parameters: int  # that a caller may give


@dataclass(frozen=True, slots=True)
class File:
    """What is known of a file."""

    name: str
    lines: int
    promises: bool
    unfinished: bool
    names: frozenset[str]
    functions: Sequence[Measures]


def read(file: Path) -> File:
    """Look at a file."""
    text, name = file.read_text(encoding="utf-8"), file.relative_to(HOUSE).as_posix()
    tree = ast.parse(text)
    nodes = list(ast.walk(tree))
    return File(
        name,
        len(text.splitlines()),
        ast.get_docstring(tree) is not None,
        UNFINISHED.search(text) is not None,
        frozenset(node.id for node in nodes if isinstance(node, ast.Name)),
        [
            Measures(f"{name}:{node.lineno}", length(node), parameters(node))
            for node in nodes
            if isinstance(node, Function)
        ],
    )


def length(function: Function) -> int:
    """The lines of a function from its name to its end, without its docstring."""
    lines = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    documented = ast.get_docstring(function, clean=False) is not None
    return lines - ((first.end_lineno or first.lineno) - first.lineno + 1 if documented else 0)


def parameters(function: Function) -> int:
    """How many parameters a caller may give."""
    named = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    return len([name for name in named if name not in {"self", "cls"}])


def read_all(folder: str) -> Sequence[File]:
    """Look at all files of a folder of the house."""
    return [read(file) for file in sorted((HOUSE / folder).rglob("*.py"))]
