"""Following a log: what a subscriber hears is decided by where it stands and by what was read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.state import Gap, Message, Started
from a2a_node.store.tails import SHARED, SHARED_BYTES, Entry, Log, Place, Tail, events_of, placed

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def log(first: int, last: int, *, newest: int | None = None, born: bytes = b"b", size: int = 1) -> Log:
    """A log of the messages from the first to the last, of a topic whose newest id may be greater."""
    return Log(born, last if newest is None else newest, [entry(number, size) for number in range(first, last + 1)])


def entry(number: int, size: int = 1) -> Entry:
    """A message."""
    return Entry(Message(number, Payload("x", TEXT), NOW), size)


def heard(place: Place, read: Log) -> tuple[list[object], Place]:
    """The events, messages as their ids."""
    events, after = events_of(place, read)
    return [event.id if isinstance(event, Message) else event for event in events], after


@pytest.mark.parametrize(
    ("after", "read", "begins"),
    [
        (None, log(3, 3, newest=9), 9),
        (5, log(3, 3, newest=9), 5),
        (9, log(3, 3, newest=9), 9),
        (0, log(3, 3, newest=9), 2),
        (0, Log(b"b", 9, ()), 9),
        (10, log(3, 3, newest=9), 0),
        (None, Log(b"", 0, ()), 0),
        (4, Log(b"", 0, ()), 0),
    ],
    ids=["now", "middle", "end", "oldest", "oldest-of-none", "lost", "new", "lost-and-new"],
)
def test_a_subscription_begins_where_it_was_asked_to(after: int | None, read: Log, begins: int) -> None:
    """Or at the beginning, where the id is of a topic that was lost."""
    assert placed(after, read) == Place(read.born, begins, read.last)


def test_what_follows_is_heard() -> None:
    """Up to where it was read; the place knows that there is more."""
    assert heard(Place(b"b", 2, 2), log(3, 5, newest=9)) == ([3, 4, 5], Place(b"b", 5, 9))


def test_what_is_missing_is_a_gap() -> None:
    """Before the first that is kept, or up to the end when nothing is."""
    assert heard(Place(b"b", 2, 2), log(6, 7)) == ([Gap(3, 5), 6, 7], Place(b"b", 7, 7))
    assert heard(Place(b"b", 2, 2), Log(b"b", 7, ())) == ([Gap(3, 7)], Place(b"b", 7, 7))
    assert heard(Place(b"b", 7, 7), Log(b"b", 7, ())) == ([], Place(b"b", 7, 7))


def test_a_topic_that_was_born_again_starts_again() -> None:
    """Its messages are read from the first one then; one that was merely born is no surprise."""
    assert heard(Place(b"b", 2, 2), log(3, 4, born=b"c")) == ([Started(0)], Place(b"c", 0, 4))
    assert heard(Place(b"", 0, 0), log(1, 2)) == ([1, 2], Place(b"b", 2, 2))


@given(st.lists(st.tuples(st.integers(0, 120), st.integers(1, 40)), max_size=20), st.integers(0, 130))
def test_what_is_shared_is_what_would_have_been_read(reads: list[tuple[int, int]], after: int) -> None:
    """However subscribers read before: the shared log has no holes and begins right after the place."""
    tail, newest = Tail(), 0
    for begin, count in reads:
        newest = max(newest, begin + count)
        tail.add(log(begin + 1, begin + count, newest=newest))
    shared = tail.after(Place(b"b", after, after))
    if shared is not None:
        found = [shared_entry.message.id for shared_entry in shared.entries]
        assert found == list(range(after + 1, after + 1 + len(found)))
        assert found
        assert found[-1] <= shared.last


def test_little_is_shared() -> None:
    """A bounded number of messages and of bytes, and at least what was read last."""
    tail = Tail()
    for number in range(2 * SHARED):
        tail.add(log(number + 1, number + 1))
    assert tail.after(Place(b"b", SHARED - 1, SHARED)) is None
    shared = tail.after(Place(b"b", SHARED, SHARED))
    assert shared is not None
    assert len(shared.entries) == SHARED
    tail.add(log(2 * SHARED + 1, 2 * SHARED + 3, size=SHARED_BYTES))
    assert tail.after(Place(b"b", 2 * SHARED - 1, 0)) is None
    newest = tail.after(Place(b"b", 2 * SHARED, 0))
    assert newest is not None
    assert len(newest.entries) == 3


def test_nothing_is_shared_between_the_lives_of_a_topic() -> None:
    """Ids count from 1 again."""
    tail = Tail()
    tail.add(log(1, 5))
    tail.add(log(1, 3, born=b"c"))
    assert tail.after(Place(b"b", 1, 5)) is None
    shared = tail.after(Place(b"c", 0, 0))
    assert shared is not None
    assert [shared_entry.message.id for shared_entry in shared.entries] == [1, 2, 3]
