"""Topics in memory: what those in Redis do, for tests that need no Redis."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime, timedelta

from a2a_node.model.errors import TooManySubscribers
from a2a_node.model.payload import Payload
from a2a_node.model.state import Message, Started, TopicEvent
from a2a_node.store.tails import Entry, Log, Place, events_of, placed
from a2a_node.store.topics import KEPT, LOG_LIFE, SUBSCRIBERS
from a2a_node.testing.losable import utc
from a2a_node.testing.presence import Presence


class MemoryTopics(Presence):
    """The port `Topics` on a dictionary. `lose()` makes it behave as if Redis were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc, *, subscribers: int = SUBSCRIBERS) -> None:
        super().__init__("redis")
        self._clock = clock
        self._limit = subscribers
        self._subscribers = 0
        self._births = 0
        self._topics: dict[tuple[str, str], _Topic] = {}
        self._changed = asyncio.Event()

    def lose(self) -> None:
        """Redis goes away, and whoever listens is cut off."""
        super().lose()
        self._wake()

    def forget(self) -> None:
        """Redis is emptied."""
        self._topics.clear()

    async def publish(self, namespace: str, topic: str, payload: Payload) -> Message:
        """Append a message and tell every subscriber."""
        self.check()
        known = self._topics.get((namespace, topic))
        if known is None:
            self._births += 1
            known = self._topics[namespace, topic] = _Topic(str(self._births).encode())
        message = known.add(payload, self._clock())
        self._wake()
        return message

    async def subscribe(self, namespace: str, topic: str, after: int | None = None) -> AsyncGenerator[TopicEvent, None]:
        """`Started`, then every message after the id `after` once and in order: 0 from the oldest, None from now on."""
        self.check()
        if self._subscribers >= self._limit:
            raise TooManySubscribers("topic", self._limit)
        self._subscribers += 1
        try:
            place = placed(after, self._log(namespace, topic))
            yield Started(place.after)
            while True:
                events, place = await self._next(namespace, topic, place)
                for event in events:
                    yield event
        finally:
            self._subscribers -= 1

    async def _next(self, namespace: str, topic: str, place: Place) -> tuple[Sequence[TopicEvent], Place]:
        while True:
            self.check()
            log, changed = self._log(namespace, topic, place.after), self._changed
            if place.after < place.last or (log.born not in (b"", place.born)) or log.last > place.after:
                return events_of(place, log)
            await changed.wait()

    def _log(self, namespace: str, topic: str, after: int = 0) -> Log:
        known = self._topics.get((namespace, topic))
        return Log(b"", 0, ()) if known is None else known.log(after, self._clock())

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()


class _Topic:
    """The messages of one topic that are still kept."""

    def __init__(self, born: bytes) -> None:
        self._born = born
        self._last = 0
        self._kept: deque[Message] = deque(maxlen=KEPT)

    def add(self, payload: Payload, now: datetime) -> Message:
        """Append a message."""
        self._last += 1
        message = Message(self._last, payload, now)
        self._kept.append(message)
        return message

    def log(self, after: int, now: datetime) -> Log:
        """What follows an id, unless the topic was idle for too long."""
        if self._kept and self._kept[-1].published_at + timedelta(seconds=LOG_LIFE) <= now:
            self._kept.clear()
        return Log(self._born, self._last, [Entry(message, 0) for message in self._kept if message.id > after])
