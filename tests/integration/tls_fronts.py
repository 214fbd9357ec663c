"""TLS before stores that have none, as a proxy of theirs would bring it: what a node sees is a store with TLS."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

SSL_REQUEST = bytes((0, 0, 0, 8, 4, 210, 22, 47))  # what a client of Postgres sends first


class Front:
    """Takes connections with TLS alone, and passes them on; `postgres` for whose clients ask for TLS in its own way."""

    def __init__(self, to: tuple[str, int], tls: ssl.SSLContext, *, postgres: bool) -> None:
        self._to, self._tls, self._postgres = to, tls, postgres
        self._tasks: set[asyncio.Task[None]] = set()
        self.served = 0  # connections that TLS was spoken on

    @asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Its port, until the block ends."""
        server = await asyncio.start_server(self._met, "127.0.0.1", 0, ssl=None if self._postgres else self._tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(OSError, EOFError):
                await self._served(reader, writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._postgres:
            if await reader.readexactly(len(SSL_REQUEST)) != SSL_REQUEST:
                return  # whoever wants no TLS is not met
            writer.write(b"S")
            await writer.start_tls(self._tls)
        self.served += 1
        to_reader, to_writer = await asyncio.open_connection(*self._to)
        try:
            await _both((reader, to_writer), (to_reader, writer))
        finally:
            to_writer.close()


async def _both(*ways: tuple[asyncio.StreamReader, asyncio.StreamWriter]) -> None:
    """Pass on, until one side has no more to say."""
    tasks = [asyncio.create_task(_passed(*way)) for way in ways]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _passed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while (part := await reader.read(65536)) and not writer.is_closing():
            writer.write(part)
            await writer.drain()


def shown(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a front shows."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    return tls
