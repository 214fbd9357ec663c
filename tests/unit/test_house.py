"""The figures that keep the code readable, held for every file of the house."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median, quantiles

import pytest

from tests.unit.measures import File, read_all

MEETS_ALL_SHAPES = {"a2a_node/pipeline/shapes.py", "a2a_node/pipeline/standard.py"}


@pytest.fixture(scope="module")
def files() -> tuple[Sequence[File], Sequence[File]]:
    """The product's, and the tests'.

    In a process of its own: Python 3.11 fails to parse while another thread, or a finalizer, does so (SystemError).
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        product, tests = process.map(read_all, ("a2a_node", "tests"))
    return product, tests


@pytest.fixture
def product(files: tuple[Sequence[File], Sequence[File]]) -> Sequence[File]:
    """The files of the product."""
    return files[0]


@pytest.fixture
def everything(files: tuple[Sequence[File], Sequence[File]]) -> Sequence[File]:
    """Those of the tests as well."""
    return (*files[0], *files[1])


def test_no_file_has_more_than_400_lines(everything: Sequence[File]) -> None:
    """Files stay short enough to be read whole."""
    assert [file.name for file in everything if file.lines > 400] == []


def test_half_of_the_files_have_at_most_150_lines(product: Sequence[File]) -> None:
    """Most files hold one thought."""
    assert median(file.lines for file in product if file.lines) <= 150


def test_every_file_says_what_it_is_for(everything: Sequence[File]) -> None:
    """A module opens with its promise."""
    assert [file.name for file in everything if file.lines and not file.promises] == []


def test_nothing_is_left_for_later(product: Sequence[File]) -> None:
    """What is not finished is not there."""
    assert [file.name for file in product if file.unfinished] == []


def test_types_say_what_they_are(product: Sequence[File]) -> None:
    """`Any` stands in the rooms that meet all shapes of a call, and nowhere else."""
    vague = [file.name for file in product if "Any" in file.names]
    assert [name for name in vague if name not in MEETS_ALL_SHAPES] == []


def test_functions_are_short(product: Sequence[File]) -> None:
    """Half of them have at most 8 lines, nine in ten at most 27."""
    lengths = [function.lines for file in product for function in file.functions]
    assert median(lengths) <= 8
    assert quantiles(lengths, n=10)[-1] <= 27


def test_functions_take_at_most_five_parameters(product: Sequence[File]) -> None:
    """More belong together under a name of their own."""
    assert [function.place for file in product for function in file.functions if function.parameters > 5] == []
