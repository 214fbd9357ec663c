"""Hearing at once that something changed: Redis channels, all over one connection of this node.

A channel carries no state, only the news that there is some, so news may come together or twice. When the connection is
lost, everyone who listens hears StoreUnavailable; the next one to listen makes a new connection.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol, TypedDict, cast

import structlog
from redis.exceptions import RedisError

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.redis import AWAY, PATIENCE, Redis, reaching

log = structlog.get_logger()

QUIET = 0.5  # seconds without news until the connection is tried, and as many again until it counts as lost
KEPT = 8  # news that one listener has not taken yet


class Wakeup:
    """What one listener hears of a channel."""

    def __init__(self) -> None:
        self._heard = asyncio.Event()
        self._lost = False
        self.news = b""  # the latest, empty when there was none yet
        self._untaken = deque[bytes](maxlen=KEPT)

    async def wait(self) -> None:
        """Wait for news since the last time; StoreUnavailable when the connection was lost."""
        await self._heard.wait()
        if self._lost:
            raise StoreUnavailable("redis")
        self._heard.clear()

    def taken(self) -> Iterator[bytes]:
        """What was told since the last time, in order; of much the newest alone."""
        while self._untaken:
            yield self._untaken.popleft()

    def tell(self, news: bytes) -> None:
        """There is news."""
        self.news = news
        self._untaken.append(news)
        self._heard.set()

    def lose(self) -> None:
        """There will be none any more."""
        self._lost = True
        self._heard.set()


class Wakeups:
    """Takes in listeners, by channel."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._line: _Line | None = None
        self._connecting = asyncio.Lock()

    @asynccontextmanager
    async def of(self, channel: str) -> AsyncIterator[Wakeup]:
        """Hear all that is told on the channel from the moment the block begins."""
        line, wakeup = await self._joined(channel)
        try:
            yield wakeup
        finally:
            line.leave(channel, wakeup)

    async def close(self) -> None:
        """End the connection; whoever still listens hears StoreUnavailable."""
        if self._line is not None:
            await self._line.close()

    async def _joined(self, channel: str) -> tuple[_Line, Wakeup]:
        """Where the connection turns out to be lost, Redis may be back: the next one says so, within the same time."""
        with reaching():
            async with asyncio.timeout(PATIENCE):
                try:
                    return await self._join(channel)
                except StoreUnavailable:
                    return await self._join(channel)

    async def _join(self, channel: str) -> tuple[_Line, Wakeup]:
        line, wakeup = await self._connected(), Wakeup()
        try:
            await line.join(channel, wakeup)
        except BaseException:
            line.leave(channel, wakeup)
            raise
        return line, wakeup

    async def _connected(self) -> _Line:
        async with self._connecting:
            if self._line is None or self._line.lost:
                self._line = await _Line.opened(self._redis)
            return self._line


@asynccontextmanager
async def listening(redis: Redis) -> AsyncIterator[Wakeups]:
    """Wakeups until the block ends."""
    wakeups = Wakeups(redis)
    try:
        yield wakeups
    finally:
        await wakeups.close()


class _News(TypedDict):
    """A message of the server, in redis-py's form."""

    type: str
    channel: bytes | None
    data: bytes | int


class _PubSub(Protocol):
    """What is used of redis-py's class of that name, which types little of it."""

    async def connect(self) -> None: ...

    async def subscribe(self, *channels: str) -> None: ...

    async def unsubscribe(self, *channels: str) -> None: ...

    async def ping(self) -> None: ...

    async def get_message(self, *, timeout: float) -> _News | None: ...  # noqa: ASYNC109  # its own signature

    async def aclose(self) -> None: ...


@dataclass(slots=True)
class _Channel:
    """Who listens to a channel, and whether the server has confirmed that it tells us."""

    listeners: set[Wakeup] = field(default_factory=set)
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)


class _Line:
    """One connection: a reader, and a caretaker who subscribes to what is wanted. Once lost it is never used again."""

    def __init__(self, pubsub: _PubSub) -> None:
        self.lost = False
        self._pubsub = pubsub
        self._channels: dict[str, _Channel] = {}
        self._subscribed: set[str] = set()
        # A confirmation names its channel alone: of several under way, the last one counts.
        self._unconfirmed: Counter[str] = Counter()
        self._changed = asyncio.Event()
        self._task = asyncio.create_task(self._run())

    @classmethod
    async def opened(cls, redis: Redis) -> _Line:
        """A fresh connection; StoreUnavailable."""
        pubsub = cast("_PubSub", redis.pubsub())
        with reaching():
            async with asyncio.timeout(PATIENCE):
                await pubsub.connect()
        return cls(pubsub)

    async def join(self, name: str, wakeup: Wakeup) -> None:
        """Add a listener and wait until the server tells us of the channel; StoreUnavailable."""
        channel = self._channels.setdefault(name, _Channel())
        channel.listeners.add(wakeup)
        if self.lost or (name in self._subscribed and name not in self._unconfirmed):
            channel.confirmed.set()
        self._changed.set()
        with reaching():
            async with asyncio.timeout(PATIENCE):
                await channel.confirmed.wait()
        if self.lost:
            raise StoreUnavailable("redis")

    def leave(self, name: str, wakeup: Wakeup) -> None:
        """Remove a listener that joined, or tried to."""
        channel = self._channels[name]
        channel.listeners.discard(wakeup)
        if not channel.listeners:
            del self._channels[name]
            self._changed.set()

    async def close(self) -> None:
        """End the connection."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._read())
                tasks.create_task(self._take_care())
        except* (StoreUnavailable, RedisError):
            log.warning("the connection for news from redis was lost", listeners=len(self._channels))
        finally:
            self._lose()
            with suppress(*AWAY):  # it is closed either way
                await self._pubsub.aclose()

    async def _take_care(self) -> None:
        """Subscribe to what is wanted now, and unsubscribe from what is not any more."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            fresh, idle = self._channels.keys() - self._subscribed, self._subscribed - self._channels.keys()
            self._subscribed = set(self._channels)
            self._unconfirmed.update(fresh)
            with reaching():
                async with asyncio.timeout(PATIENCE):
                    if idle:
                        await self._pubsub.unsubscribe(*idle)
                    if fresh:
                        await self._pubsub.subscribe(*fresh)

    async def _read(self) -> None:
        """Hand on what the server tells; StoreUnavailable when it is silent though it was asked to answer."""
        asked = False
        while True:
            with reaching():
                async with asyncio.timeout(QUIET + PATIENCE):
                    message = await self._pubsub.get_message(timeout=QUIET)
                    if message is None and asked:
                        raise TimeoutError
                    if message is None:
                        await self._pubsub.ping()
            asked = message is None
            if message is not None and message["channel"] is not None:
                self._told(message["type"], message["channel"].decode(), message["data"])

    def _told(self, kind: str, name: str, news: bytes | int) -> None:
        channel = self._channels.get(name)
        if kind == "subscribe":
            self._unconfirmed[name] -= 1
            if not self._unconfirmed[name]:
                del self._unconfirmed[name]
                if channel is not None:
                    channel.confirmed.set()
        elif kind == "message" and channel is not None and isinstance(news, bytes):
            for listener in channel.listeners:
                listener.tell(news)

    def _lose(self) -> None:
        self.lost = True
        for channel in self._channels.values():
            channel.confirmed.set()
            for listener in channel.listeners:
                listener.lose()
