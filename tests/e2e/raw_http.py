"""HTTP by the byte, as no library sends it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPResponse
from typing import cast

PATIENCE = 60.0  # seconds


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def error(self) -> dict[str, object]:
        """The error in it."""
        return cast("dict[str, object]", json.loads(self.body)["error"])

    @property
    def reason(self) -> str:
        """Its reason."""
        return str(self.error["reason"])


@contextmanager
def connected(address: str) -> Iterator[socket.socket]:
    """A connection to `host:port`."""
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port)), PATIENCE) as line:
        yield line


def answer(line: socket.socket) -> Answer:
    """The next answer on a connection."""
    response = HTTPResponse(line)
    response.begin()
    body = response.read()
    return Answer(response.status, {name.lower(): text for name, text in response.getheaders()}, body)


def ended(line: socket.socket) -> bytes:
    """What still comes until the other side ends the connection, in one way or the other."""
    parts = []
    try:
        while part := line.recv(65536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def sent(address: str, request: bytes) -> Answer:
    """The answer to a request, as it is."""
    with connected(address) as line:
        line.sendall(request)
        return answer(line)


def get(address: str, path: str, *headers: str, method: str = "GET") -> Answer:
    """The answer to an ordinary request."""
    head = "\r\n".join((f"{method} {path} HTTP/1.1", f"Host: {address}", "Connection: close", *headers))
    return sent(address, f"{head}\r\n\r\n".encode("latin-1"))
