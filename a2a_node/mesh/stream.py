"""One resumable stream at the node that writes it: what was said, what of that is kept, and what its readers have.

Memory is bounded by what its readers leave: an agent waits while AHEAD outputs are on their way to a client that is
there, or UNREAD of them are kept that nobody has read while the client is gone.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

import orjson

from a2a_node.mesh.background import background
from a2a_node.model.call import Keeping, Reply
from a2a_node.model.payload import Payload
from a2a_node.model.stream_ports import KEPT, KEPT_BYTES, News, Streams
from a2a_node.model.streams import Ending, Reading, StreamWrite

AHEAD, AHEAD_BYTES = 64, 1 << 20
UNREAD, UNREAD_BYTES = KEPT // 2, KEPT_BYTES // 2
AT_ONCE = 64  # events of a write
Touch = Callable[["Stream"], None]


class Stream:
    """The stream of one call; `touch` sees to it that `due` is written soon, and `wrote` told what came of it."""

    def __init__(self, call_id: str, writer: str, streams: Streams, touch: Touch) -> None:
        self.id, self.writer = call_id, writer
        self.kept = bool(writer)  # False: nobody can come back, and outputs go straight to the client
        self.taken = False  # another node has taken it over, or it was taken for lost
        self.keeping = Keeping(writer, self.lose, lambda: touch(self))
        self.alone = False  # it may end for want of a store, for a repeat of its call may begin anew then
        self.absent: float | None = None  # since when nobody has been there, by the loop's clock
        self._streams, self._touch = streams, touch
        self._fresh: deque[Payload] = deque()  # said and not kept yet
        self._ready: deque[Payload] = deque()  # kept, and not sent to the client yet
        self._sizes: deque[int] = deque()  # of what no reader has, in bytes
        self._bytes = 0
        self._stored = self._had = 0
        self._heard = True  # the client is there
        self._ending: Ending | None = None
        self._over = asyncio.Event()
        self._room, self._news = asyncio.Event(), asyncio.Event()

    def inherit(self, last: int, unkept: Iterable[Payload], now: float) -> None:
        """Go on after a sequence with what another node has not kept; its client is not here."""
        self._heard, self.absent = False, now
        self._stored = self._had = last
        for payload in unkept:
            self._take(payload)

    async def say(self, payload: Payload) -> None:
        """Take an output in; waits while its readers are far behind."""
        while self._crowded():
            self._room.clear()
            await (self._room.wait() if self._heard else self._read_elsewhere())
        self._take(payload)

    async def end(self, ending: Ending) -> None:
        """Nothing follows; waits until that is kept."""
        if self.kept:
            self._ending = ending
            self._touch(self)
            await self._over.wait()
        self._over.set()
        self._news.set()

    async def send(self, reply: Reply) -> None:
        """Send the client what is kept, until the end or until another node goes on with it."""
        while True:
            while self._ready:
                await reply(self._ready.popleft())
                self._have(self._had + 1)
            if self._over.is_set():
                return
            self._news.clear()
            await self._news.wait()

    def leave(self, now: float) -> None:
        """The client is gone: what it did not get is kept for whoever comes back."""
        self._heard, self.absent = False, now
        self._ready.clear()
        self._room.set()

    def due(self) -> StreamWrite:
        """What is to be written now."""
        payloads = [self._fresh[number] for number in range(min(len(self._fresh), AT_ONCE))]
        ending = self._ending if len(payloads) == len(self._fresh) else None
        return StreamWrite(self.id, self.writer, self._stored + 1, payloads, ending, self.keeping.heir)

    def wrote(self, write: StreamWrite, reading: Reading, now: float) -> None:
        """It is kept, and others have read so far; or it was left to another node while it was on its way."""
        if self.taken:
            return
        for _ in write.payloads:
            self._pass_on(self._fresh.popleft())
        self._stored += len(write.payloads)
        self.keeping.kept(len(write.payloads))
        if not self._heard:
            self._have(reading.position)
            self.absent = None if reading.present else (self.absent or now)
        if write.ending is not None:
            self._over.set()
        elif self._fresh or self._ending is not None:
            self._touch(self)

    def unkept(self) -> None:
        """It cannot be kept any more."""
        self.kept = False
        self.keeping.kept(len(self._fresh))
        while self._fresh:
            self._pass_on(self._fresh.popleft())
        if self._ending is not None:
            self._over.set()

    def lose(self) -> None:
        """Another node writes it now: what was not kept is said there."""
        self.kept, self.taken = False, True
        self._fresh.clear()
        self._over.set()
        self._news.set()
        self._room.set()

    @property
    def heard(self) -> bool:
        """Whether the client is there."""
        return self._heard

    @property
    def ends(self) -> bool:
        """Whether nothing follows what its client is sent now."""
        return self._over.is_set() and not self._ready and not self.taken

    @property
    def had(self) -> int:
        """The last sequence that its client has, or that anybody has once that is gone."""
        return self._had

    def _take(self, payload: Payload) -> None:
        if self.taken:
            return
        size = size_of(payload)
        self._sizes.append(size)
        self._bytes += size
        if self.kept:
            self._fresh.append(payload)
            self._touch(self)
        else:
            self._pass_on(payload)
            self.keeping.kept(1)

    def _pass_on(self, payload: Payload) -> None:
        if self._heard:
            self._ready.append(payload)
            self._news.set()

    def _crowded(self) -> bool:
        if self.taken:
            return False
        most, bytes_ = (AHEAD, AHEAD_BYTES) if self._heard else (UNREAD, UNREAD_BYTES)
        return len(self._sizes) >= most or self._bytes >= bytes_

    def _have(self, sequence: int) -> None:
        """Some reader has all up to there."""
        while self._had < sequence and self._sizes:
            self._had += 1
            self._bytes -= self._sizes.popleft()
        self._room.set()

    async def _read_elsewhere(self) -> None:
        """Wait until somebody who came back has read on; StoreUnavailable."""
        async with self._streams.progress(self.id) as news, background(lambda: self._followed(news)):
            self._touch(self)
            await self._room.wait()

    async def _followed(self, news: News) -> None:
        while True:
            await news.wait()
            self._touch(self)


def size_of(payload: Payload) -> int:
    """About how many bytes the body takes."""
    body = payload.body
    if isinstance(body, str | bytes):
        return len(body)
    try:
        return len(orjson.dumps(body))
    except TypeError:  # whole numbers beyond 64 bits
        return len(repr(body))
