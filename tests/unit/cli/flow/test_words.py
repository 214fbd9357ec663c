"""Durations and texts of a screen."""

from __future__ import annotations

import pytest

from a2a_node.cli.flow.words import columns, cut, padded, span


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "0 ms"),
        (0.0137, "14 ms"),
        (1.254, "1.25 s"),
        (12.34, "12.3 s"),
        (59.97, "1 m"),
        (187, "3 m 07 s"),
        (300, "5 m"),
        (7_500, "2 h 05 m"),
        (86_400, "1 d"),
        (93_600, "1 d 02 h"),
    ],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, words: str) -> None:
    """In its two largest units, none of them zero."""
    assert span(seconds) == words


def test_texts_are_cut_by_columns() -> None:
    """Wide letters take two; line breaks, and what terminals take for commands, are blanks."""
    assert (cut("one\ntwo", 10), cut("one two", 5), cut("漢字漢字", 5)) == ("one two", "one …", "漢字…")
    assert cut("\x1b[2Jgone", 10) == " [2Jgone"
    assert [columns(padded(text, 5)) for text in ("a", "漢字漢字", "abcdefgh")] == [5, 5, 5]
