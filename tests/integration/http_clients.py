"""A client of the node's HTTP port that speaks it byte by byte: answers whole, streams event by event."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import h11

PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    def json(self) -> dict[str, object]:
        """Its body, which is an object of JSON."""
        found = json.loads(self.body)
        assert isinstance(found, dict)
        return found

    @property
    def error(self) -> dict[str, object]:
        """What it says went wrong."""
        found = self.json()["error"]
        assert isinstance(found, dict)
        return found


@dataclass(slots=True)
class Event:
    """A server-sent event."""

    name: str = "message"
    id: str = ""
    data: dict[str, object] = field(default_factory=dict)


class Exchange:
    """One request on a connection of its own, and what comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._protocol = h11.Connection(h11.CLIENT)
        self._rest = b""

    async def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        """Ask; the head of the answer."""
        more = {"host": "node", "content-length": str(len(body)), **headers}
        fields = [(name.replace("_", "-"), value) for name, value in more.items()]
        request = h11.Request(method=method, target=path.encode(), headers=fields)
        parts = [self._protocol.send(part) or b"" for part in (request, h11.Data(body), h11.EndOfMessage())]
        self._writer.write(b"".join(parts))
        head = await self._next()
        assert isinstance(head, h11.Response)
        return Answer(head.status_code, {name.decode(): value.decode() for name, value in head.headers})

    async def whole(self, head: Answer) -> Answer:
        """The rest of the answer with it."""
        return Answer(head.status, head.headers, b"".join([part async for part in self._parts()]))

    async def events(self) -> AsyncGenerator[Event, None]:
        """The events of a stream, until it ends."""
        async for part in self._parts():
            self._rest += part
            while b"\n\n" in self._rest:
                text, _, self._rest = self._rest.partition(b"\n\n")
                if not text.startswith(b":"):
                    yield _event(text.decode())

    async def leave(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def _parts(self) -> AsyncIterator[bytes]:
        while isinstance(part := await self._next(), h11.Data):
            yield bytes(part.data)

    async def _next(self) -> object:
        while (event := self._protocol.next_event()) is h11.NEED_DATA:
            async with asyncio.timeout(PATIENCE):
                self._protocol.receive_data(await self._reader.read(65536))
        return event


@dataclass(frozen=True, slots=True)
class Http:
    """The HTTP port of a node, and a key for it."""

    address: str
    key: str

    async def ask(self, method: str, path: str, body: object = None, **headers: str) -> Answer:
        """Ask for something; `body` is bytes, or what JSON is made of."""
        async with self.asking(method, path, body, **headers) as (exchange, head):
            return await exchange.whole(head)

    @asynccontextmanager
    async def asking(
        self, method: str, path: str, body: object = None, **headers: str
    ) -> AsyncIterator[tuple[Exchange, Answer]]:
        """Ask for something that is read while it comes."""
        host, _, port = self.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port), limit=1 << 16)
        exchange = Exchange(reader, writer)
        known = {"authorization": f"Bearer {self.key}"} if self.key else {}
        try:
            yield exchange, await exchange.send(method, path, {**known, **headers}, _bytes(body))
        finally:
            await exchange.leave()


def _bytes(body: object) -> bytes:
    return b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()


def _event(text: str) -> Event:
    fields = dict(line.split(": ", 1) for line in text.splitlines())
    return Event(fields.get("event", "message"), fields.get("id", ""), json.loads(fields["data"]))
