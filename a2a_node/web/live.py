"""Live events over a WebSocket, for pages and programs that would show the mesh as it is: `/api/v1/events`.

Whoever connects shows a key as at any WebSocket (doorway.py), or in the first message, which says what is to be told:

    {"authorization": "Bearer KEY", "audit": {WatchEventsRequest}, "agents": {WatchAgentsRequest}}

What is not named is not told, and a message that names neither asks for both. Each is a stream of its own, through the
same layers as over gRPC, and is told as `{"audit": {...}}` or `{"agents": {...}}`; one that ends says why as
`{"stream": "audit", "error": {...}}`. Nothing is queued here: a stream waits until what it said before was taken, and
its cursor or revision lets a client go on from where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import orjson
from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from a2a_node.model.errors import InvalidInput, MeshError, NodeDraining, RequestTooSlow
from a2a_node.model.web import LIVE
from a2a_node.web.api.answers import as_json
from a2a_node.web.api.attending import attended
from a2a_node.web.bodies import Disconnected
from a2a_node.web.doorway import Doorway, Drains, Opening, close, named
from a2a_node.web.errors import body_of
from a2a_node.web.rpcs import Asking, Rpcs
from a2a_node.wire.calls import AUTHORIZATION
from a2amesh.v1.audit_service_pb2 import WatchEventsRequest
from a2amesh.v1.registry_service_pb2 import WatchAgentsRequest

PATH = "/api/v1/events"
STREAMS: Mapping[str, str] = {
    "audit": "/a2amesh.v1.AuditService/WatchEvents",
    "agents": "/a2amesh.v1.RegistryService/WatchAgents",
}
KINDS: Mapping[str, Callable[[], Message]] = {"audit": WatchEventsRequest, "agents": WatchAgentsRequest}
FIRST = 10.0  # seconds for the first message
WATCHES = Opening(LIVE, late=True)


@dataclass(frozen=True, slots=True)
class First:
    """What the first message says."""

    authorization: str = field(repr=False)
    requests: Mapping[str, Message]

    @classmethod
    def of(cls, said: Mapping[str, object]) -> First:
        """What its fields say; InvalidInput names the one that is wrong."""
        authorization = said.get("authorization", "")
        if not isinstance(authorization, str):
            raise InvalidInput("authorization", "must be a text, `Bearer <key>`")
        for name in said.keys() - STREAMS.keys() - {"authorization"}:
            raise InvalidInput(name, f"is no stream; there are {' and '.join(STREAMS)}")
        wanted = [name for name in STREAMS if name in said] or STREAMS
        return cls(authorization, {name: _request(name, said.get(name, {})) for name in wanted})


class Live:
    """The application."""

    def __init__(self, rpcs: Rpcs, drains: Drains, doorway: Doorway, node_id: str) -> None:
        self._rpcs, self._drains, self._doorway, self._node_id = rpcs, drains, doorway, node_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one WebSocket; any MeshError before it is open."""
        await self._doorway.serve((scope, receive, send), WATCHES, self._watched, {})

    async def _watched(self, socket: WebSocket, asks: Asking) -> None:
        first = await _first(socket)
        if AUTHORIZATION not in asks.metadata:
            asks = replace(asks, metadata={**asks.metadata, AUTHORIZATION: first.authorization})
            await self._doorway.known(WATCHES, asks)
        told = self._told(socket, asks, first.requests)
        await attended(told, socket.receive, (self._drains.asked(), NodeDraining(self._node_id)))

    async def _told(self, socket: WebSocket, asks: Asking, requests: Mapping[str, Message]) -> None:
        """All that was asked for; once the last stream has ended, the socket is closed for the same reason."""
        streams = [self._stream(socket, name, request, asks) for name, request in requests.items()]
        failures = [failure for failure in await asyncio.gather(*streams) if failure is not None]
        if failures:
            await close(socket, failures[-1])

    async def _stream(self, socket: WebSocket, name: str, request: Message, asks: Asking) -> MeshError | None:
        """One stream; why it has ended, None when the client has left."""

        async def write(message: Message) -> None:
            await socket.send_text(f'{{"{name}":{(await as_json(message)).decode()}}}')

        try:
            await self._rpcs.stream(STREAMS[name], request, asks, write)
        except WebSocketDisconnect:
            return None
        except Exception as error:  # noqa: BLE001 - as above
            failure = named(error, LIVE)
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


async def _first(socket: WebSocket) -> First:
    """The first message; InvalidInput for one that is none, RequestTooSlow when it does not come."""
    try:
        async with asyncio.timeout(FIRST):
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
    return First.of(said)
