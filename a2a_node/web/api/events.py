"""Server-sent events: the answers of a stream, each as it comes, and a last one that says how it ended."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import orjson
from google.protobuf.message import Message
from starlette.types import Send

from a2a_node.model.errors import MeshError
from a2a_node.web.api.answers import as_json
from a2a_node.web.api.positions import position
from a2a_node.web.errors import body_of

FIRST, BEAT = 1.0, 15.0  # seconds of silence until the answer begins, and between signs of life
MEDIA_TYPE = "text/event-stream"
ALIVE = b": alive\n\n"


class Events:
    """The answer of one stream; it begins with the first event, so that what fails before has a status of its own."""

    def __init__(self, send: Send, place: str, headers: Mapping[str, str]) -> None:
        self._send, self._place = send, place
        self._headers = {"content-type": MEDIA_TYPE, "cache-control": "no-store", **headers}
        self._turn = asyncio.Lock()  # an event is not torn by a sign of life
        self._admitted = asyncio.Event()
        self.begun = False

    def admit(self) -> None:
        """Let the answer begin, if need be without an event: whoever waits for the layers is not answered before."""
        self._admitted.set()

    async def write(self, message: Message) -> None:
        """One event; returns when the connection took it, so that a slow reader slows the writer."""
        at = position(message, self._place)
        await self._out((f"id: {at}\n" if at else "").encode() + b"data: %b\n\n" % await as_json(message))

    async def end(self, failure: MeshError | None = None) -> None:
        """The last event: `end`, or `failure` with the Error that ended the stream."""
        name, body = (b"end", b"{}") if failure is None else (b"failure", orjson.dumps(body_of(failure)))
        await self._out(b"event: %b\ndata: %b\n\n" % (name, body), more=False)

    @asynccontextmanager
    async def alive(self) -> AsyncIterator[None]:
        """Give signs of life while nothing happens, until the block ends: else nobody learns that a reader is gone."""
        over = asyncio.Event()
        beats = asyncio.create_task(self._beat(over))
        try:
            yield
            over.set()
            self._admitted.set()
            await beats  # it is not torn, either
        finally:
            beats.cancel()
            await asyncio.wait([beats])

    async def _beat(self, over: asyncio.Event) -> None:
        await self._admitted.wait()
        pause = FIRST
        while not await _within(over, pause):
            await self._out(ALIVE)
            pause = BEAT

    async def _out(self, data: bytes, *, more: bool = True) -> None:
        async with self._turn:
            if not self.begun:
                self.begun = True
                headers = [(name.encode(), value.encode()) for name, value in self._headers.items()]
                await self._send({"type": "http.response.start", "status": 200, "headers": headers})
            await self._send({"type": "http.response.body", "body": data, "more_body": more})


async def _within(over: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await over.wait()
    except TimeoutError:
        return False
