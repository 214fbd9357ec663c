"""The official MCP client, as assistants of both generations of the protocol use it, and a plain HTTP one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import cycle

import httpx2
from mcp import Client, ClientSession
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult

from a2a_node.node import Node

HEADERS = {"content-type": "application/json", "accept": "application/json, text/event-stream"}


Assistant = ClientSession | Client


@asynccontextmanager
async def handshaken(node: Node, key: str, *others: Node) -> AsyncIterator[ClientSession]:
    """A client that begins with `initialize`, as those of before 2026 do."""
    async with (
        in_turns(key, [place.http_address for place in (node, *others)]) as http,
        streamable_http_client(_url(node), http_client=http) as streams,
        ClientSession(*streams) as session,
    ):
        await session.initialize()
        yield session


@asynccontextmanager
async def stateless(node: Node, key: str, *others: Node) -> AsyncIterator[Client]:
    """A client that says with each request what others say once."""
    async with (
        in_turns(key, [place.http_address for place in (node, *others)]) as http,
        Client(streamable_http_client(_url(node), http_client=http)) as client,
    ):
        yield client


BOTH = (handshaken, stateless)


@dataclass(frozen=True, slots=True)
class Answer:
    """What HTTP answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        """The body, or the data of its only event."""
        text = self.body.decode()
        data = [line[6:] for line in text.splitlines() if line.startswith("data: ")]
        found: dict[str, object] = json.loads(data[-1] if data else text)
        return found


def asked(node: Node, body: bytes | None, path: str = "/mcp", **headers: str) -> Answer:
    """One plain request: POST with a body, GET without."""
    written = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(f"http://{node.http_address}{path}", body, {**HEADERS, **written})
    try:
        with urllib.request.urlopen(request, timeout=20) as response:  # noqa: S310
            return Answer(response.status, {k.lower(): v for k, v in response.headers.items()}, response.read())
    except urllib.error.HTTPError as refused:
        with refused:
            return Answer(refused.code, {k.lower(): v for k, v in refused.headers.items()}, refused.read())


def request(method: str, **params: object) -> bytes:
    """The body of one request."""
    return json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).encode()


def reason(result: CallToolResult) -> object:
    """Why a call failed, for programs."""
    assert result.is_error
    assert result.meta is not None
    error = result.meta["a2amesh/error"]
    assert isinstance(error, dict)
    return error["reason"]


class _InTurns(httpx2.AsyncHTTPTransport):
    """Asks one node after the other."""

    def __init__(self, places: Sequence[str]) -> None:
        super().__init__()
        self._places = cycle([tuple(place.rsplit(":", 1)) for place in places])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """One request to the node whose turn it is."""
        host, port = next(self._places)
        request.url = request.url.copy_with(host=host, port=int(port))
        request.headers["host"] = f"{host}:{port}"
        return await super().handle_async_request(request)


def in_turns(key: str, places: Sequence[str]) -> httpx2.AsyncClient:
    """HTTP that asks one place after the other, whatever its URL says."""
    return httpx2.AsyncClient(headers={"authorization": f"Bearer {key}"}, timeout=60, transport=_InTurns(places))


def _url(node: Node) -> str:
    return f"http://{node.http_address}/mcp"
