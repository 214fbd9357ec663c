"""Connections to Redis that hold nothing of whoever needed them first, and close once Redis has ended them.

asyncio leaves the latter to whoever reads next, and redis-py to whoever has the connection next: each of those that
waited in the pool when Redis died would keep its socket until as many are needed at once again.
"""

from __future__ import annotations

import asyncio
from typing import cast

from redis.asyncio.connection import Connection, SSLConnection

from a2a_node.store.background import apart


class Ending(Connection):
    """The one of redis-py, without TLS; those with TLS are closed by asyncio itself."""

    async def connect(self) -> None:
        """Connect, unless it has."""
        if not self.is_connected:
            await apart(super().connect())  # type: ignore[no-untyped-call]

    async def _connect(self) -> None:
        await super()._connect()  # type: ignore[no-untyped-call]
        writer = cast("asyncio.StreamWriter", self._writer)
        stream = cast("asyncio.StreamReaderProtocol", writer.transport.get_protocol())
        writer.transport.set_protocol(_Closing(stream))


class OverTls(SSLConnection):
    """The one with TLS."""

    async def connect(self) -> None:
        """Connect, unless it has."""
        if not self.is_connected:
            await apart(super().connect())  # type: ignore[no-untyped-call]


class _Closing(asyncio.Protocol):
    """Tells a stream everything, and has the transport close when the other side has nothing more to say."""

    def __init__(self, stream: asyncio.StreamReaderProtocol) -> None:
        self._stream = stream

    def data_received(self, data: bytes) -> None:
        self._stream.data_received(data)

    def eof_received(self) -> bool:
        self._stream.eof_received()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._stream.connection_lost(exc)

    def pause_writing(self) -> None:
        self._stream.pause_writing()

    def resume_writing(self) -> None:
        self._stream.resume_writing()
