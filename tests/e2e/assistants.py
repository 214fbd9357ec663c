"""The official Python client of MCP at nodes in processes of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from tests.e2e.nodes import RunningNode
from tests.integration.mcp_clients import in_turns


@asynccontextmanager
async def assistant(key: str, *nodes: RunningNode) -> AsyncIterator[ClientSession]:
    """An assistant that asks one node after the other, a request each."""
    async with (
        in_turns(key, [node.http for node in nodes]) as http,
        streamable_http_client(f"http://{nodes[0].http}/mcp", http_client=http) as streams,
        ClientSession(*streams) as session,
    ):
        await session.initialize()
        yield session
