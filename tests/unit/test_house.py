"""The figures that keep the code readable, held for every file of the house."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

HOUSE = Path(__file__).parents[2]
MEETS_ALL_SHAPES = {"a2a_node/pipeline/shapes.py", "a2a_node/pipeline/standard.py"}
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


# Read at collection: Python 3.11 fails to parse while another thread, or a finalizer, does so (SystemError).
PRODUCT = [read(file) for file in sorted((HOUSE / "a2a_node").rglob("*.py"))]
TESTS = [read(file) for file in sorted((HOUSE / "tests").rglob("*.py"))]
FUNCTIONS = [function for file in PRODUCT for function in file.functions]


def test_no_file_has_more_than_400_lines() -> None:
    """Files stay short enough to be read whole."""
    assert [file.name for file in (*PRODUCT, *TESTS) if file.lines > 400] == []


def test_half_of_the_files_have_at_most_150_lines() -> None:
    """Most files hold one thought."""
    assert median(file.lines for file in PRODUCT if file.lines) <= 150


def test_every_file_says_what_it_is_for() -> None:
    """A module opens with its promise."""
    assert [file.name for file in (*PRODUCT, *TESTS) if file.lines and not file.promises] == []


def test_nothing_is_left_for_later() -> None:
    """What is not finished is not there."""
    assert [file.name for file in PRODUCT if file.unfinished] == []


def test_types_say_what_they_are() -> None:
    """`Any` stands in the rooms that meet all shapes of a call, and nowhere else."""
    vague = [file.name for file in PRODUCT if "Any" in file.names]
    assert [name for name in vague if name not in MEETS_ALL_SHAPES] == []


def test_functions_are_short() -> None:
    """Half of them have at most 8 lines, nine in ten at most 27."""
    lengths = [function.lines for function in FUNCTIONS]
    assert median(lengths) <= 8
    assert quantiles(lengths, n=10)[-1] <= 27


def test_functions_take_at_most_five_parameters() -> None:
    """More belong together under a name of their own."""
    assert [function.place for function in FUNCTIONS if function.parameters > 5] == []
