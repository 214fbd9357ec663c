"""The figures that keep the code readable, held for every file of the house."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median, quantiles

HOUSE = Path(__file__).parents[2]
PRODUCT = sorted((HOUSE / "a2a_node").rglob("*.py"))
TESTS = sorted((HOUSE / "tests").rglob("*.py"))
MEETS_ALL_SHAPES = {"a2a_node/pipeline/server.py", "a2a_node/services/convert.py"}
UNFINISHED = re.compile(r"\b(TODO|FIXME|XXX)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def shown(file: Path) -> str:
    """A file as it is named in reports."""
    return file.relative_to(HOUSE).as_posix()


def functions(files: Sequence[Path]) -> Iterator[tuple[str, Function]]:
    """Every function of the files, with its place."""
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, Function):
                yield f"{shown(file)}:{node.lineno} {node.name}", node


def names(file: Path) -> set[str]:
    """The names that a file uses."""
    return {node.id for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Name)}


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


def test_no_file_has_more_than_400_lines() -> None:
    """Files stay short enough to be read whole."""
    assert [shown(file) for file in (*PRODUCT, *TESTS) if len(file.read_text().splitlines()) > 400] == []


def test_every_file_says_what_it_is_for() -> None:
    """A module opens with its promise."""
    written = [file for file in (*PRODUCT, *TESTS) if file.read_text().strip()]
    assert [shown(file) for file in written if not ast.get_docstring(ast.parse(file.read_text()))] == []


def test_nothing_is_left_for_later() -> None:
    """What is not finished is not there."""
    assert [shown(file) for file in PRODUCT if UNFINISHED.search(file.read_text())] == []


def test_types_say_what_they_are() -> None:
    """`Any` stands in the rooms that meet all shapes of a call, and nowhere else."""
    vague = [shown(file) for file in PRODUCT if "Any" in names(file)]
    assert [file for file in vague if file not in MEETS_ALL_SHAPES] == []


def test_half_of_the_files_have_at_most_150_lines() -> None:
    """Most files hold one thought."""
    assert median(len(file.read_text().splitlines()) for file in PRODUCT if file.stat().st_size) <= 150


def test_functions_are_short() -> None:
    """Half of them have at most 8 lines, nine in ten at most 27."""
    lengths = [length(function) for _, function in functions(PRODUCT)]
    assert median(lengths) <= 8
    assert quantiles(lengths, n=10)[-1] <= 27


def test_functions_take_at_most_five_parameters() -> None:
    """More belong together under a name of their own."""
    assert [place for place, function in functions(PRODUCT) if parameters(function) > 5] == []
