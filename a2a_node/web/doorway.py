"""Where WebSockets come in, whatever is said on them: who may open one, how many there are, and how each ends.

A browser can set no header: what others say in `authorization` and `a2a-timeout` it says in subprotocols beside
`a2amesh.v1`, as `a2amesh.bearer.KEY` and `a2amesh.timeout.SECONDS`. A failure before the socket is open is an answer
of HTTP. Later it is said as `{"error": {...}}`, and then in the close code: 4000 and HTTP's status, or 1012 for a node
that is about to stop.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from a2a_node.model.errors import InternalError, MeshError, NodeDraining, OriginRefused, TooManySubscribers
from a2a_node.web.api.callers import API_KEY, TIMEOUT, asking, checked
from a2a_node.web.bodies import Disconnected
from a2a_node.web.edge.origins import Guard
from a2a_node.web.errors import OWN, body_of, status_of
from a2a_node.web.rpcs import Asking, Rpcs
from a2a_node.web.sockets import Sockets
from a2a_node.wire.calls import AUTHORIZATION

log = structlog.get_logger()
SUBPROTOCOL, BEARER, SECONDS = "a2amesh.v1", "a2amesh.bearer.", "a2amesh.timeout."
DONE, RESTARTS = 1000, 1012  # close codes
Http = tuple[Scope, Receive, Send]
Work = Callable[[WebSocket, Asking], Awaitable[None]]


class Drains(Protocol):
    """What ends the streams: watches as soon as the node takes no new calls, all others once it is over."""

    async def asked(self) -> None:
        """Wait until draining begins."""

    async def over(self) -> None:
        """Wait until nothing runs any more, or its time is up."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """How many WebSockets are served at a time, and whose pages may open one."""

    most: int
    guard: Guard


@dataclass(frozen=True, slots=True)
class Opening:
    """How sockets of one kind are opened: the method that the layers are asked for, and when a key is shown."""

    method: str
    late: bool = False  # a key may be shown once the socket is open, which is `known` then by whoever works on it


class Doorway:
    """Lets WebSockets in; `sockets` counts those that are open."""

    def __init__(self, rpcs: Rpcs, bounds: Bounds, sockets: Sockets) -> None:
        self._rpcs, self._bounds, self._sockets = rpcs, bounds, sockets

    async def serve(self, http: Http, opening: Opening, work: Work, headers: Mapping[str, str]) -> None:
        """Open a WebSocket, do the work, and say what went wrong; any MeshError before it is open.

        `work` closes it when all went well; `headers` are those of the answer that opens it.
        """
        scope = _spoken(http[0])
        socket = WebSocket(scope, *http[1:])
        if stranger := self._bounds.guard.stranger(socket.headers):
            raise OriginRefused(stranger)
        if len(self._sockets) >= self._bounds.most:
            raise TooManySubscribers("WebSocket", self._bounds.most)
        with self._sockets.counted():
            asks = asking(scope)
            if AUTHORIZATION in asks.metadata or not opening.late:
                await self.known(opening, asks)
            checked(scope)
            chosen = SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None
            await socket.accept(chosen, [(name.encode(), value.encode()) for name, value in headers.items()])
            await _served(socket, work(socket, asks), opening)

    async def known(self, opening: Opening, asks: Asking) -> None:
        """Whatever the layers have against whoever asks."""

        async def nothing() -> None:
            return

        await self._rpcs.inside(opening.method, asks, nothing)


async def _served(socket: WebSocket, work: Awaitable[None], opening: Opening) -> None:
    try:
        await work
    except (Disconnected, WebSocketDisconnect):
        log.debug("a client has left", path=socket.scope["path"])
    except Exception as error:  # noqa: BLE001 - every failure is named in one place
        failure = named(error, opening.method)
        with suppress(WebSocketDisconnect):
            await socket.send_text(orjson.dumps(body_of(failure)).decode())
            await close(socket, failure)


async def close(socket: WebSocket, failure: MeshError) -> None:
    """Close a socket for a failure that was said on it."""
    code = RESTARTS if isinstance(failure, NodeDraining) else OWN + status_of(failure)
    await socket.close(code, failure.reason)


def named(error: Exception, method: str) -> MeshError:
    """A failure as its client is told of it; what nobody named is logged and leaves without its text."""
    if isinstance(error, MeshError):
        return error
    log.error("unexpected failure", method=method, exc_info=error)
    return InternalError()


def _spoken(scope: Scope) -> Scope:
    """The same handshake, with headers for what its subprotocols say; they count where no header says it."""
    headers, said = Headers(scope=scope), dict[str, str]()
    for text in scope["subprotocols"]:
        if text.startswith(BEARER) and not {AUTHORIZATION, API_KEY} & set(headers):
            said.setdefault(AUTHORIZATION, f"Bearer {text.removeprefix(BEARER)}")
        elif text.startswith(SECONDS) and TIMEOUT not in headers:
            said.setdefault(TIMEOUT, text.removeprefix(SECONDS))
    more = [(name.encode(), value.encode("latin-1", "replace")) for name, value in said.items()]
    return {**scope, "headers": [*scope["headers"], *more]}
