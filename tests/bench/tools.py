"""A call of an MCP tool through a node, beside the same call by the MCP client itself to the same program."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from statistics import median
from time import perf_counter

from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from a2a_node.client import MeshClient
from a2a_node.model.limits import LimitKey
from a2a_node.model.tools import ServerConfig, Stdio
from tests.bench.mesh import Places
from tests.bench.processes import ROOT, started
from tests.bench.rows import Row, row
from tests.ports import free_port

SERVER = ("-I", str(ROOT / "tests" / "integration" / "mcp_server.py"))
SAID = {"text": "hello, hello, hello"}
ROUNDS, CALLS, WARM = 7, 150, 50
STARTING = 30.0  # seconds
Ask = Callable[[], Awaitable[object]]


def tool_rows(places: Places) -> list[Row]:
    """Milliseconds that the node adds to a tool's call."""
    port = free_port()
    with started(*places.options("tools", port), ready="ready grpc=", environ=places.stores):
        key = (places.home / "tools" / "dev.key").read_text(encoding="utf-8").strip()
        return asyncio.run(_measured(f"127.0.0.1:{port}", key))


async def _measured(address: str, key: str) -> list[Row]:
    async with AsyncExitStack() as house:
        mesh = await house.enter_async_context(MeshClient(address, key))
        streams = await house.enter_async_context(
            stdio_client(StdioServerParameters(command=sys.executable, args=[*SERVER]))
        )
        direct = await house.enter_async_context(ClientSession(*streams))
        await direct.initialize()
        await _running(mesh)
        through, bare, errors = await _rounds(lambda: mesh.call("mcp.bench", "echo", SAID), lambda: _direct(direct))
    return [row("mcp_tool_added_p50_ms", through - bare, "ms", bare, errors)]


async def _running(mesh: MeshClient) -> None:
    """Add the server, and wait until it runs."""
    await mesh.limits.set(1e6, 1_000_000, LimitKey(agent="mcp.bench"))
    await mesh.tools.add("bench", ServerConfig(Stdio(sys.executable, SERVER)))
    async with asyncio.timeout(STARTING):
        async for change in mesh.agents.watch():
            if change.entry is not None and change.entry.agent.name == "mcp.bench" and change.entry.instances:
                return


async def _direct(session: ClientSession) -> object:
    return (await session.call_tool("echo", SAID)).structured_content


async def _rounds(through: Ask, direct: Ask) -> tuple[float, float, int]:
    """The medians of both in milliseconds, in rounds that take turns; and how many answers were wrong."""
    seen: tuple[list[float], list[float]] = ([], [])
    errors = 0
    for _ in range(WARM):
        await asyncio.gather(through(), direct())
    for _ in range(ROUNDS):
        for ask, times in zip((through, direct), seen, strict=True):
            took = []
            for _ in range(CALLS):
                began = perf_counter()
                errors += await ask() != SAID
                took.append((perf_counter() - began) * 1000)
            times.append(median(took))
    return median(seen[0]), median(seen[1]), errors
