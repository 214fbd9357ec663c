"""Following the log of a topic: where a subscriber stands, what it hears next, and what all on a node share."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from a2a_node.model.state import Gap, Message, Started, TopicEvent

SHARED = 256  # newest messages of a topic
SHARED_BYTES = 1 << 20  # of them together; the newest batch is shared whole, whatever its size


@dataclass(frozen=True, slots=True)
class Place:
    """Where a subscriber stands: after this id of the topic that was born then, whose last id was this."""

    born: bytes
    after: int
    last: int


@dataclass(frozen=True, slots=True)
class Entry:
    """A message of a log, and how many bytes its body has."""

    message: Message
    size: int


@dataclass(frozen=True, slots=True)
class Log:
    """What was read of a topic: when it was born (empty: it was not), its last id, and messages without holes."""

    born: bytes
    last: int
    entries: Sequence[Entry]


def placed(after: int | None, log: Log) -> Place:
    """Where a subscription begins, given the log from its oldest message on."""
    if after is None:
        after = log.last
    elif after > log.last:
        after = 0  # that id is of a topic that was lost
    elif after == 0:
        after = log.entries[0].message.id - 1 if log.entries else log.last
    return Place(log.born, after, log.last)


def events_of(place: Place, log: Log) -> tuple[Sequence[TopicEvent], Place]:
    """What a subscriber hears when the log was read after its place, and its new place."""
    if log.born != place.born and place.after > 0:
        return (Started(0),), Place(log.born, 0, log.last)
    messages = [entry.message for entry in log.entries]
    first = messages[0].id if messages else log.last + 1
    gap = [Gap(place.after + 1, first - 1)] if first > place.after + 1 else []
    return (*gap, *messages), Place(log.born, messages[-1].id if messages else max(log.last, place.after), log.last)


class Tail:
    """The newest messages of one topic, read once for all of its subscribers on this node."""

    def __init__(self) -> None:
        self.users = 0
        self.reading = asyncio.Lock()
        self._born = b""
        self._last = 0
        self._entries: deque[Entry] = deque(maxlen=SHARED)

    def after(self, place: Place) -> Log | None:
        """The log after the place; None when it must be read."""
        kept = self._entries
        if place.born != self._born or not kept or not kept[0].message.id <= place.after + 1 <= kept[-1].message.id:
            return None
        return Log(self._born, max(self._last, place.last), [entry for entry in kept if entry.message.id > place.after])

    def add(self, log: Log) -> None:
        """Share what was read, when it is the newest there is."""
        if not log.entries:
            return
        kept, newest = self._entries, self._entries[-1].message.id if self._entries else 0
        if log.born != self._born or log.entries[0].message.id > newest + 1:
            self._born, newest = log.born, 0
            kept.clear()
        kept.extend(entry for entry in log.entries if entry.message.id > newest)
        self._last = log.last
        size = sum(entry.size for entry in kept)
        while size > SHARED_BYTES and len(kept) > len(log.entries):
            size -= kept.popleft().size
