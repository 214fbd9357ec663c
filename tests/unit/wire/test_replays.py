"""Numbers that were seen: none is let through twice, and the memory for that is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from a2a_node.wire.replays import SENDERS, SPAN, Replays


@given(st.lists(st.integers(1, 200), max_size=300))
def test_no_number_is_let_through_twice_and_none_is_refused_the_first_time(numbers: list[int]) -> None:
    """In whatever order they come, within the span."""
    replays, seen = Replays(20.0), set[int]()
    for number in numbers:
        assert replays.first("one", number, 0.0) == (number not in seen)
        seen.add(number)


@given(st.lists(st.integers(1, 5 * SPAN), max_size=50))
def test_far_jumps_let_nothing_through_twice(numbers: list[int]) -> None:
    """What is too far behind is refused, seen or not."""
    replays, passed = Replays(20.0), list[int]()
    for number in numbers:
        if replays.first("one", number, 0.0):
            passed.append(number)
        else:
            assert number in passed or number <= max(passed) - SPAN
    assert len(passed) == len(set(passed))


def test_the_numbers_of_senders_are_their_own() -> None:
    """What one has used, another may use."""
    replays = Replays(20.0)
    assert replays.first("one", 7, 0.0)
    assert replays.first("two", 7, 0.0)


def test_senders_are_bounded_and_forgotten_only_when_their_numbers_are_too_old() -> None:
    """One more than there is room for is refused until somebody was silent for long enough."""
    replays = Replays(20.0)
    for number in range(SENDERS):
        assert replays.first(str(number), 1, 0.0)
    replays.first("0", 2, 15.0)
    assert not replays.first("another", 1, 20.0)
    assert replays.first("another", 1, 20.1)
    assert len(replays) == 2
    assert not replays.first("0", 2, 20.1)
