"""A TCP line to a server that tests can hold, cut and restore, to see what happens to those who depend on it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

CHUNK = 65_536  # bytes


class Line:
    """A port on 127.0.0.1 that leads to a server; `line_to` makes one."""

    def __init__(self, host: str, port: int, tasks: asyncio.TaskGroup) -> None:
        self._target = (host, port)
        self._tasks = tasks
        self._server: asyncio.Server | None = None
        self._carriers: set[asyncio.Task[None]] = set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._over = False
        self.port = 0

    def hold(self) -> None:
        """Let nothing through: connections stay, new ones are made, and nobody answers."""
        self._flowing.clear()

    def cut(self) -> None:
        """Break off every connection; new ones are refused."""
        self.cut_connections()
        if self._server is not None:
            self._server.close()

    def cut_connections(self) -> None:
        """Break off every connection; new ones are made."""
        self._flowing.set()
        for end in self._ends:
            end.transport.abort()

    async def restore(self) -> None:
        """Let everything through, on the same port as before."""
        self._flowing.set()
        if self._server is None or not self._server.is_serving():
            self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    def end(self) -> None:
        """Break off everything, for good, also what is being accepted."""
        self._over = True
        self.cut()
        for carrier in self._carriers:
            carrier.cancel()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._over:
            writer.transport.abort()
            return
        self._ends.add(writer)
        carrier = self._tasks.create_task(self._carry(reader, writer))
        self._carriers.add(carrier)
        carrier.add_done_callback(lambda done: self._carried(done, writer))

    def _carried(self, carrier: asyncio.Task[None], near_end: asyncio.StreamWriter) -> None:
        """One has ended, perhaps before it began."""
        self._carriers.discard(carrier)
        self._ends.discard(near_end)
        near_end.transport.abort()

    async def _carry(self, near: asyncio.StreamReader, near_end: asyncio.StreamWriter) -> None:
        try:
            far, far_end = await asyncio.open_connection(*self._target)
        except OSError:
            return
        self._ends.add(far_end)
        try:
            await asyncio.gather(_pump(near, far_end, self._flowing), _pump(far, near_end, self._flowing))
        finally:
            self._ends.discard(far_end)
            far_end.transport.abort()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, flowing: asyncio.Event) -> None:
    with suppress(ConnectionError):  # the end of a line, from whichever side
        while data := await source.read(CHUNK):
            await flowing.wait()
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def line_to(host: str, port: int) -> AsyncIterator[Line]:
    """A line to a server, until the block ends."""
    async with asyncio.TaskGroup() as tasks:
        line = Line(host, port, tasks)
        await line.restore()
        try:
            yield line
        finally:
            line.end()
