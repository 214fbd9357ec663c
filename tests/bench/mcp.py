"""The door for MCP: what a list of 1,000 tools takes, from the request to its last byte, beside a ping."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from statistics import median
from time import perf_counter, sleep

from a2a_node.agent import Agent
from a2a_node.attach import attached
from tests.bench.mesh import Places
from tests.bench.processes import started
from tests.bench.rows import Row, row
from tests.ports import free_port

AGENTS, CAPABILITIES = 20, 50
ROUNDS, WARM = 60, 10
PACE = 0.02  # seconds between two, in which the node does what else it has to


def list_row(places: Places) -> Row:
    """Milliseconds of a list; an answer without all the tools is an error."""
    port, door = free_port(), free_port()
    command = (*places.options("mcp", port), f"--http-port={door}")
    with started(*command, ready="ready grpc=", environ=places.stores):
        key = (places.home / "mcp" / "dev.key").read_text(encoding="utf-8").strip()
        return asyncio.run(_measured(f"127.0.0.1:{port}", f"127.0.0.1:{door}", key))


async def _measured(address: str, door: str, key: str) -> Row:
    async with _tools(address, key):
        lists, errors = await asyncio.to_thread(_timed, door, key, "tools/list", AGENTS * CAPABILITIES)
        pings, more = await asyncio.to_thread(_timed, door, key, "ping", 0)
    return row("mcp_tools_list_ms", median(lists), "ms", median(pings), errors + more)


@asynccontextmanager
async def _tools(address: str, key: str) -> AsyncIterator[None]:
    async with AsyncExitStack() as house:
        for number in range(AGENTS):
            await house.enter_async_context(attached(_agent(number), address, key=key))
        yield


def _agent(number: int) -> Agent:
    agent = Agent(f"tools-{number}")
    for tool in range(CAPABILITIES):
        agent.capability(name=f"tool_{tool}")(_work())
    return agent


def _work() -> Callable[..., Awaitable[dict[str, str]]]:
    async def work(text: str, number: int = 1, names: list[str] | None = None) -> dict[str, str]:
        """Do what one of very many tools does, told in a sentence or so, as people do."""
        return {"text": f"{text} {number} {names}"}

    return work


def _timed(door: str, key: str, method: str, tools: int) -> tuple[list[float], int]:
    """Milliseconds of each request on one connection, and how many were not answered in full."""
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}})
    headers = {
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "authorization": f"Bearer {key}",
        "mcp-protocol-version": "2025-11-25",
    }
    connection, times, errors = http.client.HTTPConnection(door, timeout=30), list[float](), 0
    for _ in range(ROUNDS + WARM):
        sleep(PACE)
        began = perf_counter()
        connection.request("POST", "/mcp", body, headers)
        answer = connection.getresponse()
        content = answer.read()
        times.append((perf_counter() - began) * 1000)
        errors += answer.status != HTTPStatus.OK or content.count(b'"inputSchema"') < tools
    connection.close()
    return times[WARM:], errors
