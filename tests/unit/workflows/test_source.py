"""Sources: what is read, where it stands, and what is refused before it can grow."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings

from a2a_node.workflows.source import MOST_VALUES, Path, SourceInvalid, read_source
from tests.unit.workflows.samples import VALUES


def place(source: str, *path: str | int) -> tuple[int, int]:
    """Line and column of a part."""
    found = read_source(source).place(path)
    return found.line, found.column


def test_values_are_those_of_json() -> None:
    """Words that older YAML takes for something else are texts."""
    source = "a: yes\nb: 012\nc: 1.5\nd: null\ne: ~\nf: true\ng: 'true'\nh: 2026-11-27\ni: 1e3\nj: 0x10\nk: on\nl:\n"
    value = read_source(source).value
    assert value == {
        "a": "yes", "b": 12, "c": 1.5, "d": None, "e": None, "f": True, "g": "true", "h": "2026-11-27", "i": 1000.0,
        "j": "0x10", "k": "on", "l": None,
    }  # fmt: skip


@settings(max_examples=50, deadline=None)
@given(VALUES)
def test_whatever_json_writes_is_read_as_it_was(value: object) -> None:
    """With its escapes, those in pairs among them."""
    assert read_source(json.dumps({"value": value})).value == {"value": value}


def test_everything_has_a_line_and_a_column() -> None:
    """What is a key with more below it stands at its key; whatever has no place stands where its parent does."""
    source = "a: 1\nb:\n  c: 'x'\n  d:\n    - e\n    - {f: g}\n"
    places: dict[Path, tuple[int, int]] = {
        ("a",): (1, 4),
        ("b",): (2, 1),
        ("b", "c"): (3, 7),
        ("b", "d", 0): (5, 7),
        ("b", "d", 1, "f"): (6, 11),
        ("b", "d", 1, "nothing"): (6, 7),
        ("nowhere",): (1, 1),
    }
    assert {path: place(source, *path) for path in places} == places
    exact = read_source(source).place(("b", "c"))
    assert (exact.after(3).line, exact.after(3).column) == (3, 10)
    folded = read_source("a: |\n  text\n").place(("a",))
    assert folded.after(3).column == folded.column


@pytest.mark.parametrize(
    ("source", "line", "why"),
    [
        ("", 1, "is empty"),
        ("# nothing\n", 1, "is empty"),
        ("a: [1\n", 2, "neither YAML nor JSON"),
        ("a: b: c\n", 1, "neither YAML nor JSON"),
        ("\n\x00", 2, "does not allow"),
        ('{"a": "\\u0000"}', 1, "U\\+0000"),
        ('{"\\u0000": 1}', 1, "U\\+0000"),
        ("a: '\ud83d'", 1, "UTF-8"),
        ("a: &x 1", 1, "anchors and aliases"),
        ("a: 1\nb: *a", 2, "anchors and aliases"),
        ("a: !!python/object:os.system x", 1, "the tag"),
        ("? [a]\n: 1", 1, "a key must be a text"),
        ("a: 1\n---\nb: 2\n", 2, "second document"),
        ("[" * 40 + "]" * 40, 1, "nested more than 32 deep"),
        ("a:\n" + "- x\n" * (MOST_VALUES + 1), 20_000, "more than 20,000 values"),
        ("a: " + "x" * (1 << 20), 1, "the limit is 1,048,576"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(source: str, line: int, why: str) -> None:
    """At once, and before it costs much: none of these grows."""
    with pytest.raises(SourceInvalid, match=why) as refused:
        read_source(source)
    assert refused.value.place.line == line


def test_what_reads_in_two_ways_is_told_and_read_on() -> None:
    """A key that is there twice, and a number that is none in JSON."""
    source = read_source("a: 1\nb: 1e999\na: 2\nc: 9007199254740993\n")
    assert [(place.line, why) for place, why in source.faults] == [
        (2, "1e999 is larger than any number of JSON"),
        (3, "'a' is there twice"),
        (4, "9007199254740993 is more than JSON carries exactly; put it in quotes"),
    ]
