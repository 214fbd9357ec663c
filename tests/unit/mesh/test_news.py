"""The log that watchers read: nothing is lost, wherever they stop and continue."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from a2a_node.mesh.news import News, Removed, Sign, everything, told

Step = Sequence[str]
steps = st.lists(st.lists(st.text("abc", min_size=1, max_size=2), max_size=4), max_size=12)


def logged(steps: Sequence[Step], limit: int) -> News:
    """A log after steps to the revisions 11, 12 and so on."""
    news = News(10, limit)
    for revision, names in enumerate(steps, 11):
        news.add(revision, [Removed(name) for name in names])
    return news


@given(steps, st.integers(1, 40), st.data())
def test_who_continues_after_an_event_misses_nothing_that_followed_it(
    done: Sequence[Step], limit: int, data: st.DataObject
) -> None:
    """Events may come twice, but none is left out: or the log says that it cannot tell."""
    events = [
        event for revision, names in enumerate(done, 11) for event in told(revision - 1, revision, names_of(names))
    ]
    news = logged(done, limit)
    if events:
        stop = data.draw(st.integers(0, len(events) - 1))
        rest = news.since(events[stop].revision)
        if rest is not None:
            assert list(rest)[len(rest) - len(events[stop + 1 :]) :] == events[stop + 1 :]


def names_of(names: Step) -> Sequence[Removed]:
    """Changes of a step."""
    return [Removed(name) for name in names]


@given(steps, st.integers(1, 40))
def test_the_log_never_holds_more_than_its_limit(done: Sequence[Step], limit: int) -> None:
    """The oldest steps go first, and whole."""
    news = logged(done, limit)
    kept = [news.since(revision) for revision in range(10, 11 + len(done))]
    sizes = [len(events) for events in kept if events is not None]
    assert max(sizes) <= limit
    assert all(later <= earlier for earlier, later in pairwise(sizes))


def test_a_revision_out_of_the_logs_reach_cannot_be_continued() -> None:
    """Before its first step, or after its last one."""
    news = logged([["a"], ["b"]], 1)
    assert news.since(10) is None
    assert news.since(13) is None
    assert [event.revision for event in news.since(11) or ()] == [12]
    assert news.since(12) == []


def test_only_the_last_event_of_a_step_ends_it() -> None:
    """So that nobody who stops inside a step loses the rest of it."""
    assert [event.revision for event in told(5, 6, [Removed("a"), Removed("b"), Removed("c")])] == [5, 5, 6]


def test_a_listing_has_to_be_heard_to_its_end() -> None:
    """Its events continue from the beginning until it says that it is current."""
    events = list(everything((), 7, reset=True))
    assert [(event.revision, event.change) for event in events] == [(0, Sign.RESET), (7, Sign.CURRENT)]


def test_nobodys_place_survives_a_restart() -> None:
    """Not even the place after everything."""
    news = logged([["a"]], 10)
    place = news.end
    news.restart(3)
    assert news.after(place) is None
    news.add(4, [Removed("b")])
    assert news.after(place) is None
    assert [event.revision for event in news.since(3) or ()] == [4]
