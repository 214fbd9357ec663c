"""Doors in front of servers: they know who comes, let some wait, and keep some out as a broken network does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

CHUNK = 65_536  # bytes
Address = tuple[str, int]


class Porter:
    """Lets some of the connections wait that come to any of its doors."""

    def __init__(self, who: str = "anybody") -> None:
        """`who` comes to these doors, as people call them."""
        self._who = who
        self._every, self._seconds = 0, 0.0
        self._came = self._waited = 0

    @contextmanager
    def delaying(self, every: int, seconds: float) -> Iterator[None]:
        """Let one connection in so many wait before it leads anywhere, the next one first; RuntimeError for none."""
        self._every, self._seconds = every, seconds
        self._came = self._waited = 0
        try:
            yield
        finally:
            self._every = 0
        if not self._waited:
            raise RuntimeError(f"no connection of {self._who} was delayed")

    async def lets_in(self) -> None:
        """Wait, if it is this one's turn."""
        turn, self._came = self._came, self._came + 1
        if self._every and turn % self._every == 0:
            self._waited += 1
            await asyncio.sleep(self._seconds)


class Door:
    """A port that leads to a server; `open_door` makes one."""

    def __init__(self, target: Address, who: Callable[[int], str], porter: Porter) -> None:
        """`who` names the process behind a port of this machine."""
        self._target = target
        self._who = who
        self._porter = porter
        self._barred: set[str] = set()
        self._changed = asyncio.Condition()
        self.holds = asyncio.Event()  # something has come that a bar keeps back
        self._ends: set[asyncio.StreamWriter] = set()
        self.address: Address = ("", 0)

    def cut(self) -> int:
        """End every connection that was let in, without a word of gRPC; how many there were."""
        ends = [*self._ends]
        for end in ends:
            end.transport.abort()
        return len(ends)

    async def bar(self, *names: str) -> None:
        """Let nothing through from or to these, without a word to either side; nobody means that all pass again."""
        async with self._changed:
            self._barred = set(names)
            self._changed.notify_all()

    async def carry(self, near: asyncio.StreamReader, near_end: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it."""
        name = self._who(near_end.get_extra_info("peername")[1])
        try:
            await self._porter.lets_in()
            self._ends.add(near_end)
            await self._passes(name)
            with suppress(OSError):  # nobody is there: whoever came hears of it by the end of the connection
                await self._led(near, near_end, name)
        finally:
            self._ends.discard(near_end)
            near_end.transport.abort()

    async def _led(self, near: asyncio.StreamReader, near_end: asyncio.StreamWriter, name: str) -> None:
        far, far_end = await asyncio.open_connection(*self._target)
        try:
            await asyncio.gather(self._pump(near, far_end, name), self._pump(far, near_end, name))
        finally:
            far_end.transport.abort()

    async def _passes(self, name: str) -> None:
        if name in self._barred:
            self.holds.set()
        async with self._changed:
            await self._changed.wait_for(lambda: name not in self._barred)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, name: str) -> None:
        with suppress(ConnectionError):
            while data := await source.read(CHUNK):
                await self._passes(name)
                sink.write(data)
                await sink.drain()
        sink.close()


@asynccontextmanager
async def open_door(at: Address, target: Address, who: Callable[[int], str], porter: Porter) -> AsyncIterator[Door]:
    """A door at an address, until the block ends; port 0 is a free one."""
    door = Door(target, who, porter)
    carried: set[asyncio.Task[None]] = set()

    def accept(near: asyncio.StreamReader, near_end: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(door.carry(near, near_end))
        carried.add(task)
        task.add_done_callback(carried.discard)

    server = await asyncio.start_server(accept, *at)
    door.address = server.sockets[0].getsockname()[:2]
    try:
        yield door
    finally:
        server.close()
        for task in carried:
            task.cancel()
        await asyncio.gather(*carried, return_exceptions=True)
