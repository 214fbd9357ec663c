"""The port for HTTP: uvicorn's server, with connections that have to get on, and no say in the process's signals."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from ssl import SSLContext
from time import monotonic
from typing import TYPE_CHECKING, cast

from starlette.types import ASGIApp
from uvicorn.config import Config
from uvicorn.server import Server

from a2a_node.model.errors import SettingInvalid
from a2a_node.web.edge.connections import Connection, Room
from a2a_node.web.edge.layers import Edge

if TYPE_CHECKING:
    from a2a_node.web.edge.connections import Watched

LOOKS = 5  # ticks of uvicorn, of a tenth of a second each, between looks at all connections
PING = 20.0  # seconds between pings of a WebSocket, and for the answer
MESSAGE = 64 * 1024  # bytes of a WebSocket's message at most: clients have little to say


@asynccontextmanager
async def serving(
    host: str, port: int, edge: Edge, application: ASGIApp, tls: SSLContext | None = None
) -> AsyncIterator[None]:
    """Serve the application behind the edge until the block ends; SettingInvalid when the port is taken."""
    habits = edge.habits
    config = Config(
        edge.around(application),
        host,
        port,
        http=Connection,
        ws="none",  # connections bring their own
        ws_max_size=MESSAGE,
        ws_ping_interval=PING,
        ws_ping_timeout=PING,
        ws_per_message_deflate=False,  # each would keep a window of its own
        log_config=None,
        log_level="error",  # not a line for every client that sends what is no HTTP
        access_log=False,
        lifespan="off",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=habits.keep_alive,
        timeout_graceful_shutdown=2,
        h11_max_incomplete_event_size=habits.head_bytes,
    )
    server = _Port(config, Room(habits, edge.counts, _socket), tls)
    task = asyncio.create_task(_served(server))
    try:
        await _started(server, task, port)
        yield
    finally:
        server.should_exit = True
        await asyncio.wait([task])
        server.cut_off()


class _Port(Server):
    """A server whose connections are looked at."""

    def __init__(self, config: Config, room: Room, tls: SSLContext | None) -> None:
        super().__init__(config)
        self._room, self._tls = room, tls
        self._looked = monotonic()

    async def startup(self, sockets: Sequence[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's word
        """Listen; OSError when the port is taken."""
        config = self.config
        server = await asyncio.get_running_loop().create_server(
            partial(Connection, self._room, config, self.server_state),
            config.host,
            config.port,
            ssl=self._tls,
            ssl_handshake_timeout=self._room.habits.head if self._tls else None,
            backlog=config.backlog,
        )
        self.servers = [server]
        self.started = True

    async def on_tick(self, counter: int) -> bool:
        """Look at all connections now and then."""
        if counter % LOOKS == 0:
            now = monotonic()
            seconds, self._looked = now - self._looked, now
            self._room.look(self.server_state.connections, seconds)
        return await super().on_tick(counter)

    def cut_off(self) -> None:
        """End what did not end in time."""
        for connection in list(self.server_state.connections):
            cast("Watched", connection).transport.abort()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals belong to the command."""
        yield


def _socket(room: Room, **given: object) -> object:
    from a2a_node.web.edge.sockets import Socket  # noqa: PLC0415 - most nodes never see a WebSocket

    return Socket(room, **given)  # type: ignore[arg-type]  # what uvicorn gives every protocol


async def _served(server: Server) -> None:
    """Serve until it is told to end, or cannot listen."""
    with suppress(OSError):
        await server.serve()


async def _started(server: Server, task: asyncio.Task[None], port: int) -> None:
    while not server.started:
        if task.done():
            raise SettingInvalid("http_port", f"{port} cannot be listened on; is another node running?")
        await asyncio.sleep(0.005)
