"""Live events over a WebSocket, for pages and programs that would show the mesh as it is: `/api/v1/events`.

Whoever connects shows a key: in the header `authorization`, as a browser cannot, in a subprotocol beside
`a2amesh.v1` (`a2amesh.bearer.KEY`), or in the first message, which says what is to be told:

    {"authorization": "Bearer KEY", "audit": {WatchEventsRequest}, "agents": {WatchAgentsRequest}}

What is not named is not told, and a message that names neither asks for both. Each is a stream of its own, through the
same layers as over gRPC, and is told as `{"audit": {...}}` or `{"agents": {...}}`; one that ends says why as
`{"stream": "audit", "error": {...}}`. Nothing is queued here: a stream waits until what it said before was taken, and
its cursor or revision lets a client go on from where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

import orjson
import structlog
from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from a2a_node.model.errors import (
    InternalError,
    InvalidInput,
    MeshError,
    NodeDraining,
    OriginRefused,
    RequestTooSlow,
    TooManySubscribers,
)
from a2a_node.model.web import LIVE
from a2a_node.web.api.answers import as_json
from a2a_node.web.api.attending import attended
from a2a_node.web.api.callers import asking
from a2a_node.web.api.face import Drains
from a2a_node.web.bodies import Disconnected
from a2a_node.web.edge.origins import Guard
from a2a_node.web.errors import body_of, status_of
from a2a_node.web.rpcs import Asking, Rpcs
from a2a_node.web.sockets import Sockets
from a2a_node.wire.calls import AUTHORIZATION
from a2amesh.v1.audit_service_pb2 import WatchEventsRequest
from a2amesh.v1.registry_service_pb2 import WatchAgentsRequest

log = structlog.get_logger()
PATH = "/api/v1/events"
SUBPROTOCOL, BEARER = "a2amesh.v1", "a2amesh.bearer."
STREAMS: Mapping[str, str] = {
    "audit": "/a2amesh.v1.AuditService/WatchEvents",
    "agents": "/a2amesh.v1.RegistryService/WatchAgents",
}
KINDS: Mapping[str, Callable[[], Message]] = {"audit": WatchEventsRequest, "agents": WatchAgentsRequest}
OPENING = 10.0  # seconds for the first message
RESTARTS, OWN = 1012, 4000  # close codes: a node that stops, and HTTP's status of what went wrong above 4000


@dataclass(frozen=True, slots=True)
class Opening:
    """What the first message says."""

    authorization: str = field(repr=False)
    requests: Mapping[str, Message]

    @classmethod
    def of(cls, said: Mapping[str, object]) -> Opening:
        """What its fields say; InvalidInput names the one that is wrong."""
        authorization = said.get("authorization", "")
        if not isinstance(authorization, str):
            raise InvalidInput("authorization", "must be a text, `Bearer <key>`")
        for name in said.keys() - STREAMS.keys() - {"authorization"}:
            raise InvalidInput(name, f"is no stream; there are {' and '.join(STREAMS)}")
        wanted = [name for name in STREAMS if name in said] or STREAMS
        return cls(authorization, {name: _request(name, said.get(name, {})) for name in wanted})


@dataclass(frozen=True, slots=True)
class Bounds:
    """The node, how many WebSockets it serves at a time, and whose pages may open one."""

    node_id: str
    most: int
    guard: Guard


class Live:
    """The application; `sockets` counts those that are open."""

    def __init__(self, rpcs: Rpcs, drains: Drains, bounds: Bounds, sockets: Sockets) -> None:
        self._rpcs, self._drains, self._bounds, self._sockets = rpcs, drains, bounds, sockets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket; any MeshError before it is open."""
        socket = WebSocket(scope, receive, send)
        if stranger := self._bounds.guard.stranger(socket.headers):
            raise OriginRefused(stranger)
        if len(self._sockets) >= self._bounds.most:
            raise TooManySubscribers("WebSocket", self._bounds.most)
        with self._sockets.counted():
            asks = _asking(scope)
            if AUTHORIZATION in asks.metadata:
                await self._known(asks)
            await socket.accept(SUBPROTOCOL if SUBPROTOCOL in scope["subprotocols"] else None)
            await self._served(socket, asks)

    async def _served(self, socket: WebSocket, asks: Asking) -> None:
        try:
            opening = await _opening(socket)
            if AUTHORIZATION not in asks.metadata:
                asks = _with(asks, opening.authorization)
                await self._known(asks)
            told = self._told(socket, asks, opening.requests)
            await attended(told, socket.receive, (self._drains.asked(), NodeDraining(self._bounds.node_id)))
        except (Disconnected, WebSocketDisconnect):
            log.debug("a client has left", path=PATH)
        except NodeDraining as failure:
            await socket.close(RESTARTS, failure.reason)
        except Exception as error:  # noqa: BLE001 - every failure is named in one place
            await _refused(socket, _named(error))

    async def _known(self, asks: Asking) -> None:
        """Whatever the layers have against whoever asks."""

        async def nothing() -> None:
            return

        await self._rpcs.inside(LIVE, asks, nothing)

    async def _told(self, socket: WebSocket, asks: Asking, requests: Mapping[str, Message]) -> None:
        """All that was asked for; once the last stream has ended, the socket is closed for the same reason."""
        streams = [self._stream(socket, name, request, asks) for name, request in requests.items()]
        failures = [failure for failure in await asyncio.gather(*streams) if failure is not None]
        if failures:
            await socket.close(OWN + status_of(failures[-1]), failures[-1].reason)

    async def _stream(self, socket: WebSocket, name: str, request: Message, asks: Asking) -> MeshError | None:
        """One stream; why it has ended, None when the client has left."""

        async def write(message: Message) -> None:
            await socket.send_text(f'{{"{name}":{(await as_json(message)).decode()}}}')

        try:
            await self._rpcs.stream(STREAMS[name], request, asks, write)
        except WebSocketDisconnect:
            return None
        except Exception as error:  # noqa: BLE001 - as above
            failure = _named(error)
            await socket.send_text(orjson.dumps({"stream": name, **body_of(failure)}).decode())
            return failure
        return None


def _request(name: str, fields: object) -> Message:
    if not isinstance(fields, dict):
        raise InvalidInput(name, "must be an object")
    try:
        return json_format.ParseDict(fields, KINDS[name]())
    except json_format.ParseError as error:
        raise InvalidInput(name, str(error)[:300]) from None


def _asking(scope: Scope) -> Asking:
    """Who connects; a key in a subprotocol counts where no header has one."""
    asks = asking(scope)
    keys = [text.removeprefix(BEARER) for text in scope["subprotocols"] if text.startswith(BEARER)]
    return _with(asks, f"Bearer {keys[0]}") if keys and AUTHORIZATION not in asks.metadata else asks


def _with(asks: Asking, authorization: str) -> Asking:
    return replace(asks, metadata={**asks.metadata, AUTHORIZATION: authorization})


async def _opening(socket: WebSocket) -> Opening:
    """The first message; InvalidInput for one that is none, RequestTooSlow when it does not come."""
    try:
        async with asyncio.timeout(OPENING):
            message = await socket.receive()
    except TimeoutError:
        raise RequestTooSlow("first message") from None
    if message["type"] != "websocket.receive":
        raise Disconnected
    try:
        said = orjson.loads(message.get("text") or message.get("bytes") or b"")
    except orjson.JSONDecodeError as error:
        raise InvalidInput("message", f"is no JSON: {error}") from None
    if not isinstance(said, dict):
        raise InvalidInput("message", "must be an object")
    return Opening.of(said)


async def _refused(socket: WebSocket, failure: MeshError) -> None:
    with suppress(WebSocketDisconnect):
        await socket.send_text(orjson.dumps(body_of(failure)).decode())
        await socket.close(OWN + status_of(failure), failure.reason)


def _named(error: Exception) -> MeshError:
    """A failure as the client is told of it; what nobody named is logged and leaves without its text."""
    if isinstance(error, MeshError):
        return error
    log.error("unexpected failure", method=LIVE, exc_info=error)
    return InternalError()
