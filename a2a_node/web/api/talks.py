"""RPCs whose clients stream, as WebSockets: a message of text is one request or one answer, as JSON.

An empty message ends the input, as an empty chunk ends a body of HTTP: WebSockets close both ways at once, so that a
close frame is the client's leaving, and cancels the RPC. An RPC that ends well closes with 1000, one that fails says
its Error first. A client is read only as fast as the RPC takes its messages but for AHEAD bytes, so that one that
leaves is heard at once unless more than that waits; then the next ping finds out.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol, Self

from google.protobuf.message import Message
from starlette.types import Message as Event
from starlette.types import Receive
from starlette.websockets import WebSocket

from a2a_node.model.errors import InvalidInput, NodeDraining
from a2a_node.model.web import OPENING
from a2a_node.web.api.answers import as_json
from a2a_node.web.api.attending import attended
from a2a_node.web.api.requests import Reader
from a2a_node.web.api.routing import Found
from a2a_node.web.api.versions import headers_of
from a2a_node.web.bodies import MESSAGES, limit_of
from a2a_node.web.doorway import DONE, Doorway, Drains, Http, Opening
from a2a_node.web.rpcs import Asking, Rpcs

AHEAD = 64 * 1024  # bytes of messages that wait for the RPC, or a single larger one
AROUND = 64  # bytes that a waiting message counts for besides
TALKS = Opening(OPENING)


class Read(Protocol):
    """Makes the message of a text."""

    async def __call__(self, text: str, *, first: bool) -> Message:
        """`first` for the first one of a client; InvalidInput."""


@dataclass(frozen=True, slots=True)
class Place:
    """The node that answers, and the bytes of a payload at most."""

    node_id: str
    payload_limit: int


class Talks:
    """Serves them; each is an RPC like any other, in the layers that gRPC's pass."""

    def __init__(self, rpcs: Rpcs, drains: Drains, where: tuple[Place, Reader], doorway: Doorway) -> None:
        self._rpcs, self._drains, self._doorway = rpcs, drains, doorway
        self._place, self._reader = where

    async def serve(self, found: Found, http: Http) -> None:
        """Serve one WebSocket; any MeshError before it is open."""
        endpoint, places = found

        async def read(text: str, *, first: bool) -> Message:
            return await self._reader.one(endpoint, places if first else {}, text)

        async def talk(socket: WebSocket, asks: Asking) -> None:
            await http[2]({"type": MESSAGES, "bytes": limit_of(self._place.payload_limit)})
            requests = Requests(socket.receive, read)
            work = self._rpcs.talk(endpoint.rpc, requests, asks, _writing(socket))
            await attended(work, requests.receive, (self._drains.over(), NodeDraining(self._place.node_id)))
            await socket.close(DONE)

        await self._doorway.serve(http, TALKS, talk, headers_of(endpoint))


class Requests:
    """What a client says, for the RPC to take; `receive` hears it, and returns once there is room for more."""

    def __init__(self, receive: Receive, read: Read) -> None:
        self._receive, self._read = receive, read
        self._texts: deque[str] = deque()
        self._size = 0
        self._first, self._ended = True, False
        self._came, self._room = asyncio.Event(), asyncio.Event()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Message:
        while not self._texts:
            self._came.clear()
            await self._came.wait()
        if not self._texts[0]:  # it stays, for whoever asks again
            raise StopAsyncIteration
        message = await self._read(self._texts[0], first=self._first)
        self._take()  # not before: whoever is cancelled while it is read has taken none
        self._first = False
        return message

    async def receive(self) -> Event:
        """The next event of the socket; InvalidInput for a message that can be none."""
        event = await self._receive()
        if event["type"] == "websocket.receive":
            self._put(event.get("text"))
            await self._room.wait()
        return event

    def _put(self, text: str | None) -> None:
        if text is None:
            raise InvalidInput("message", "is binary; send JSON as text")
        if self._ended:
            raise InvalidInput("message", "comes after the empty message, which ends the input; open another socket")
        self._ended = not text
        self._texts.append(text)
        self._count(len(text) + AROUND)
        self._came.set()

    def _take(self) -> None:
        self._count(-len(self._texts.popleft()) - AROUND)

    def _count(self, size: int) -> None:
        self._size += size
        (self._room.set if self._size < AHEAD else self._room.clear)()


def _writing(socket: WebSocket) -> Callable[[Message], Awaitable[None]]:
    async def write(message: Message) -> None:
        """Returns when the connection took it, so that a slow reader slows the RPC."""
        await socket.send_text((await as_json(message)).decode())

    return write
