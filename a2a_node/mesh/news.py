"""What changed lately, for those who watch: a bounded log that every watcher reads at its own pace.

Watchers hold a place in the log and nothing else, so that a slow one costs no memory: when the log has moved on without
it, it begins again with everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import TypeAlias

from a2a_node.mesh.entries import Entry


@dataclass(frozen=True, slots=True)
class Removed:
    """An agent that is gone."""

    name: str


class Sign(Enum):
    """What a watcher is told about the watch itself."""

    RESET = auto()  # forget what you know: everything follows
    CURRENT = auto()  # you know everything that is known now


Change: TypeAlias = Entry | Removed | Sign


@dataclass(frozen=True, slots=True)
class Event:
    """Something to tell a watcher, and the revision to continue after once it is told; 0 means from the beginning."""

    revision: int
    change: Change


def everything(entries: Sequence[Entry], revision: int, *, reset: bool = False) -> Iterator[Event]:
    """Every agent, then the sign that this is all. Who stops in the middle has to begin again, hence revision 0."""
    if reset:
        yield Event(0, Sign.RESET)
    for entry in entries:
        yield Event(0, entry)
    yield Event(revision, Sign.CURRENT)


def told(before: int, after: int, changes: Sequence[Entry | Removed]) -> Sequence[Event]:
    """The events of one step. Only the last one ends it: who stops before it continues after the step before."""
    return [Event(before, change) for change in changes[:-1]] + [Event(after, change) for change in changes[-1:]]


class News:
    """The events of the last steps, at most `limit` of them; a place is the number of a step."""

    def __init__(self, revision: int, limit: int = 10_000) -> None:
        self._steps: dict[int, Sequence[Event]] = {}  # by number, in order, none missing
        self._since = self._revision = revision  # all that came after `_since` is kept
        self._end = self._size = 0
        self._limit = limit

    @property
    def end(self) -> int:
        """The place after everything."""
        return self._end

    def add(self, revision: int, changes: Sequence[Entry | Removed]) -> None:
        """Keep what a step to that revision changed, and drop the oldest steps beyond the limit."""
        events, self._revision = told(self._revision, revision, changes), revision
        if not events:
            return
        self._steps[self._end] = events
        self._end, self._size = self._end + 1, self._size + len(events)
        while self._size > self._limit:
            dropped = self._steps.pop(next(iter(self._steps)))
            self._size, self._since = self._size - len(dropped), dropped[-1].revision

    def restart(self, revision: int) -> None:
        """Forget everything, every watcher's place among it: revisions count differently from now on."""
        self._steps.clear()
        self._since = self._revision = revision
        self._end, self._size = self._end + 1, 0

    def since(self, revision: int) -> Sequence[Event] | None:
        """What followed a revision; None when some of it is no longer kept, or it has not been yet."""
        if not self._since <= revision <= self._revision:
            return None
        place = self._end
        while place - 1 in self._steps and self._steps[place - 1][-1].revision > revision:
            place -= 1
        return self.after(place)

    def after(self, place: int) -> Sequence[Event] | None:
        """What followed a place; None when some of it is no longer kept."""
        if place < self._end - len(self._steps):
            return None
        return [event for number in range(place, self._end) for event in self._steps[number]]
