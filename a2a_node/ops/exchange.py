"""One HTTP exchange, bounded in time and bytes, with nobody else than who is allowed: redirects are not followed."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import re
import socket
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.client import HTTPException, HTTPResponse
from typing import cast
from urllib.parse import SplitResult, urlsplit

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput

HEADERS = 64 * 1024  # bytes beside the body
PORTS = {"http": 80, "https": 443}
WRITTEN = re.compile(r"[\x21-\x7e]{1,2000}")


@dataclass(frozen=True, slots=True)
class Hosts:
    """Whom agents may ask: this machine itself, and hosts that the settings name, as `host` or `host:port`."""

    allowed: frozenset[str] = frozenset()

    async def address(self, field_name: str, url: str) -> tuple[SplitResult, str]:
        """A URL taken apart, and the address that its host has; InvalidInput when nobody may ask there.

        Whoever connects has to use that address: a name could lead elsewhere the next time.
        """
        parts, host, port = taken_apart(field_name, url)
        known = host in self.allowed or f"{host}:{port}" in self.allowed
        addresses = await resolved(field_name, host, port)
        if not known and not all(ipaddress.ip_address(address).is_loopback for address in addresses):
            raise InvalidInput(
                field_name, f"leads to {host}:{port}, neither on this machine nor allowed; see A2A_OPS_HOSTS"
            )
        return parts, addresses[0]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, of whom."""

    parts: SplitResult
    address: str
    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes


def taken_apart(field_name: str, url: str) -> tuple[SplitResult, str, int]:
    """A URL, its host and its port; InvalidInput for what is none of http or https."""
    try:
        parts = urlsplit(url) if WRITTEN.fullmatch(url) else None
        port = parts and (parts.port or PORTS.get(parts.scheme))
    except ValueError:
        parts = port = None
    if parts is None or port is None or not parts.hostname or parts.username is not None:
        raise InvalidInput(field_name, "must be a URL of http or https, without spaces and without a user")
    return parts, parts.hostname, port


async def resolved(field_name: str, host: str, port: int) -> Sequence[str]:
    """The addresses of a host; InvalidInput when it has none."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise InvalidInput(field_name, f"leads to {host[:80]!r}, which has no address") from None
    return [str(each[4][0]).partition("%")[0] for each in found]


async def exchanged(request: Request, seconds: float, most: int) -> Answer:
    """The answer to a request; AgentRefused (UNREACHABLE) when there is none in time, or one of over `most` bytes."""
    try:
        async with asyncio.timeout(seconds):
            return read(await _sent(request, most + HEADERS), request.method, most)
    except TimeoutError:
        raise _unreachable(request, f"did not answer within {seconds:g} s") from None
    except (OSError, HTTPException, ssl.SSLError) as error:
        raise _unreachable(request, f"cannot be asked: {type(error).__name__}") from error


async def _sent(request: Request, most: int) -> bytes:
    parts, secure = request.parts, request.parts.scheme == "https"
    port = parts.port or PORTS[parts.scheme]
    trusted, name = (ssl.create_default_context(), parts.hostname) if secure else (None, None)
    reader, writer = await asyncio.open_connection(request.address, port, ssl=trusted, server_hostname=name)
    try:
        writer.write(written(request))
        await writer.drain()
        heard = bytearray()
        while len(heard) <= most and (chunk := await reader.read(HEADERS)):
            heard += chunk
        return bytes(heard)
    finally:
        writer.transport.abort()


def written(request: Request) -> bytes:
    """A request as it goes over the wire."""
    parts = request.parts
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    told = {
        "Host": parts.netloc,
        "User-Agent": "a2a-node",
        "Accept-Encoding": "identity",
        "Connection": "close",
        **({"Content-Length": str(len(request.body))} if request.body else {}),
        **request.headers,
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in told.items())
    return f"{request.method} {target} HTTP/1.1\r\n{head}\r\n".encode() + request.body


class _Heard:
    """What `HTTPResponse` takes for a connection."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *_: object) -> io.BytesIO:
        """All that was heard."""
        return io.BytesIO(self._data)


def read(data: bytes, method: str, most: int) -> Answer:
    """The answer in what was heard; HTTPException when it is none, or is too large."""
    response = HTTPResponse(cast("socket.socket", _Heard(data)), method=method)
    response.begin()
    body = response.read(most + 1)
    if len(body) > most:
        raise HTTPException(f"over {most:,} bytes")
    headers = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, headers, body)


def _unreachable(request: Request, why: str) -> AgentRefused:
    """Without the URL's path: it may be a webhook's, and secret."""
    host = request.parts.hostname
    return AgentRefused(f"{host} {why}", code="UNAVAILABLE", reason="UNREACHABLE", host=host)
