"""The bridge from standard input and output to a node's `/mcp`: each request is asked there, its progress told here.

It is a server of the SDK on the one side and its client on the other, so that both generations of the protocol are
understood on both. Nothing but the protocol is written to standard output.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolRequestParams, CallToolResult, ListToolsResult, PaginatedRequestParams, RequestParamsMeta

Context = ServerRequestContext[object, object]
SECONDS = 3700.0  # without a word of the node; its longest deadline is an hour


async def bridged(url: str, key: str) -> None:
    """Serve standard input until it ends."""
    async with _node(url, key) as node, stdio_server() as (incoming, outgoing):
        server = _server(node)
        await server.run(incoming, outgoing, server.create_initialization_options())


def why_not(failure: BaseException) -> str | None:
    """Why a node cannot be used, in words; None where that was not the cause."""
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    if isinstance(failure, httpx2.TransportError):
        return f"{str(failure) or type(failure).__name__}; is a node running there, with its door for MCP open?"
    return str(failure) if isinstance(failure, MCPError | httpx2.HTTPError) else None


def _is_ours(name: str) -> bool:
    """Whether an entry of `_meta` is for the node; the others are between two neighbours."""
    return name.startswith("a2amesh/") or name in ("traceparent", "tracestate", "baggage")


@asynccontextmanager
async def _node(url: str, key: str) -> AsyncIterator[Client]:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    timeout = httpx2.Timeout(10.0, read=SECONDS)
    async with (
        httpx2.AsyncClient(headers=headers, timeout=timeout) as http,
        Client(streamable_http_client(url, http_client=http)) as node,
    ):
        yield node


def _server(node: Client) -> Server[object]:
    async def list_tools(_: Context, params: PaginatedRequestParams) -> ListToolsResult:
        return await node.list_tools(cursor=params.cursor)

    async def call_tool(context: Context, params: CallToolRequestParams) -> CallToolResult:
        async def hear(progress: float, total: float | None, message: str | None) -> None:
            await context.session.report_progress(progress, total, message)

        meta = dict(context.meta or {})
        wants = meta.pop("progress_token", None) is not None
        passed_on = cast("RequestParamsMeta", {name: value for name, value in meta.items() if _is_ours(name)})
        listener = hear if wants else None
        return await node.call_tool(params.name, params.arguments or {}, progress_callback=listener, meta=passed_on)

    server = Server[object]("a2a-node", title="a2a-node")
    server.middleware.clear()
    server.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", CallToolRequestParams, call_tool)
    return server
