"""The transport to a server that runs by itself: streamable HTTP, with answers of bounded size."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2
from mcp.client._transport import TransportStreams
from mcp.client.streamable_http import streamable_http_client

from a2a_node.model.tools import Http

CONNECTING, SILENCE = 5.0, 300.0  # seconds
CONNECTIONS = 200  # to one server at a time


class _Bounded(httpx2.AsyncByteStream):
    """A body that fails when it has more than so many bytes."""

    def __init__(self, body: httpx2.AsyncByteStream, most: int) -> None:
        self._body, self._most = body, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._body:
            size += len(chunk)
            if size > self._most:
                raise httpx2.StreamError(f"the answer has more than {self._most} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()


class _Bounding(httpx2.AsyncHTTPTransport):
    """Bounds every answer that is no stream of events; those are bounded event by event."""

    def __init__(self, most: int) -> None:
        super().__init__(limits=httpx2.Limits(max_connections=CONNECTIONS))
        self._most = most

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await super().handle_async_request(request)
        streams = response.headers.get("content-type", "").lower().startswith("text/event-stream")
        if not streams and isinstance(response.stream, httpx2.AsyncByteStream):
            response.stream = _Bounded(response.stream, self._most)
        return response


@asynccontextmanager
async def connected(http: Http, most: int) -> AsyncIterator[TransportStreams]:
    """Both directions to a server at an address; its values are sent as headers, and never to another origin."""
    headers = {name: value.value for name, value in http.headers.items()}
    timeout = httpx2.Timeout(CONNECTING, read=SILENCE, pool=None)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout, transport=_Bounding(most), trust_env=False) as client,
        streamable_http_client(http.url, http_client=client, max_sse_event_size=most) as streams,
    ):
        yield streams
