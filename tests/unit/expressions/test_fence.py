"""The fence around expressions: what is refused, and that names run out of time."""

from __future__ import annotations

from time import thread_time

import pytest

from a2a_node.expressions import fence

NAMES = frozenset(("a", "b"))
SHORT = 0.05  # seconds of patience that nothing here needs


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "0 characters"),
        ("a\n== b", "line ends"),
        ("a +", "at character 4, mismatched input '<EOF>'"),
        ("nobody == 1", "reads 'nobody'; it can read: a, b"),
        ("a.map(x, x)", "calls 'map'"),
        ("a.all(x, b.all(y, x == y))", "more than one loop"),
        ("a.all(x, x + x == b)", "adds beside a loop"),
    ],
)
def test_what_could_grow_or_says_nothing_is_refused(text: str, why: str) -> None:
    """Before it is ever asked."""
    assert why in fence.fault(text, NAMES)


def test_what_is_left_is_asked_of_names_as_they_are_read() -> None:
    """And of none that it does not read."""
    read: list[str] = []

    def value(name: str) -> object:
        read.append(name)
        return {"a": [1, 2, 3]}.get(name)

    assert fence.fault("a.filter(x, x > 1)", NAMES) == ""
    assert fence.asked(fence.program("a.filter(x, x > 1)"), value, thread_time() + 1) == [2, 3]
    assert "b" not in read


def test_a_name_that_is_read_too_late_has_no_value() -> None:
    """So that the expression fails, however long it would have gone on."""
    with pytest.raises(Exception, match="a"):
        fence.asked(fence.program("a == 1"), {"a": 1}.get, thread_time() - 1)


@pytest.mark.parametrize(("late", "true"), [(0, True), (1, True), (2, False)])
def test_time_that_is_over_is_given_once_more(late: int, *, true: bool) -> None:
    """An expression that was late twice fails."""
    left = [late]

    def value(name: str) -> object:
        until = thread_time() + (1.1 * SHORT if left[0] else 0)
        left[0] = max(0, left[0] - 1)
        while thread_time() < until:
            pass
        return {"a": 1, "b": 1}.get(name)

    program = fence.program("a == 1 && b == 1")
    if true:
        assert fence.tried(program, value, SHORT) is True
    else:
        with pytest.raises(Exception, match="b"):
            fence.tried(program, value, SHORT)


def test_the_longest_list_or_object_counts() -> None:
    """However deep it lies."""
    assert fence.longest({"a": [1, {"b": [1, 2, 3]}], "c": "text"}) == 3
    assert fence.longest("text") == 0
