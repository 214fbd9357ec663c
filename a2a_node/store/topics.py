"""Topics in Redis: a stream for each, whose ids are counted beside it, and a channel that tells of the newest one.

Subscribers read the stream, never the channel, so that a slow one holds no queue: it reads on from where it is, and is
told by a `Gap` when that is no longer kept. Those of one topic on one node share what the first of them has read.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager
from typing import cast

from a2a_node.model.errors import TooManySubscribers
from a2a_node.model.payload import Payload
from a2a_node.model.state import Message, Started, TopicEvent
from a2a_node.store.encoding import milliseconds, moment, pairs, payload_fields, payload_of
from a2a_node.store.redis import Redis, script
from a2a_node.store.tails import Entry, Log, Place, Tail, events_of, placed
from a2a_node.store.wakeups import Wakeup, Wakeups

PUBLISH = script("topic_publish")
READ = script("topic_read")

KEPT = 1000  # messages of a topic
LOG_LIFE = 3600.0  # seconds after the last message
PLACE_LIFE = 30 * 24 * 3600.0  # seconds after the last message in which ids go on counting
BATCH = 32  # messages read at once; of the largest that is as much as Redis sends within our patience
SUBSCRIBERS = 1000  # on one node


class RedisTopics:
    """The port `Topics` on Redis."""

    def __init__(self, redis: Redis, wakeups: Wakeups, *, subscribers: int = SUBSCRIBERS) -> None:
        self._redis = redis
        self._wakeups = wakeups
        self._limit = subscribers
        self._subscribers = 0
        self._tails: dict[str, Tail] = {}

    async def publish(self, namespace: str, topic: str, payload: Payload) -> Message:
        """Append a message and tell every subscriber."""
        name = _name(namespace, topic)
        limits = (KEPT, milliseconds(LOG_LIFE), milliseconds(PLACE_LIFE))
        answer = await self._redis.run(PUBLISH, _keys(name), name, *limits, *payload_fields(payload))
        number, at = cast("tuple[int, bytes]", answer)
        return Message(number, payload, moment(int(at)))

    async def subscribe(self, namespace: str, topic: str, after: int | None = None) -> AsyncGenerator[TopicEvent, None]:
        """`Started`, then every message after the id `after` once and in order: 0 from the oldest, None from now on."""
        name = _name(namespace, topic)
        with self._tail(name) as tail:
            async with self._wakeups.of(name) as wakeup:
                place = placed(after, await self._log(name, 0, 1))
                yield Started(place.after)
                while True:
                    await _news(wakeup, place)
                    events, place = await self._next(name, tail, place)
                    for event in events:
                        yield event

    async def _next(self, name: str, tail: Tail, place: Place) -> tuple[Sequence[TopicEvent], Place]:
        """What follows the place, as the subscriber hears it, and its new place."""
        async with tail.reading:
            log = tail.after(place)
            if log is None:
                log = await self._log(name, place.after, BATCH)
                tail.add(log)
        return events_of(place, log)

    async def _log(self, name: str, after: int, count: int) -> Log:
        answer = await self._redis.run(READ, _keys(name), after, count)
        born, last, entries = cast("tuple[bytes, int, Sequence[tuple[bytes, object]]]", answer)
        return Log(born, last, tuple(_entry(number, fields) for number, fields in entries))

    @contextmanager
    def _tail(self, name: str) -> Iterator[Tail]:
        """What the subscribers of a topic share while there are any; TooManySubscribers."""
        if self._subscribers >= self._limit:
            raise TooManySubscribers("topic", self._limit)
        tail = self._tails.setdefault(name, Tail())
        self._subscribers, tail.users = self._subscribers + 1, tail.users + 1
        try:
            yield tail
        finally:
            self._subscribers, tail.users = self._subscribers - 1, tail.users - 1
            if not tail.users:
                del self._tails[name]


async def _news(wakeup: Wakeup, place: Place) -> None:
    """Wait until there is something after the place."""
    while place.after >= place.last:
        await wakeup.wait()
        born, last = wakeup.news.split()
        if born != place.born or int(last) > place.after:
            return


def _entry(number: bytes, flat: object) -> Entry:
    fields = pairs(flat)
    message = Message(int(number.partition(b"-")[0]), payload_of(fields), moment(int(fields[b"at"])))
    return Entry(message, len(fields[b"body"]))


def _name(namespace: str, topic: str) -> str:
    return f"a2a:topic:{{{namespace}:{topic}}}"


def _keys(name: str) -> Sequence[str]:
    return f"{name}:log", f"{name}:place"
