"""Assistants and whole nodes: two nodes in turns, desktop assistants on standard input, and the TypeScript client."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.e2e.nodes import A2A_NODE, RunningNode
from tests.e2e.tools import run, typescript_assistant


@asynccontextmanager
async def desktop(node: RunningNode) -> AsyncIterator[ClientSession]:
    """An assistant that starts the program of the configuration that it was given."""
    environ = {"A2A_KEY": node.key, "A2A_DATA_DIR": str(node.data_dir)}
    printed = subprocess.run(  # noqa: ASYNC221 - nothing else runs meanwhile
        (A2A_NODE, "mcp", "--config", "--url", f"http://{node.http}/mcp"), check=True, capture_output=True, text=True
    )
    server = json.loads(printed.stdout)["mcpServers"]["a2a-node"]
    assert node.key not in printed.stdout
    parameters = StdioServerParameters(command=str(A2A_NODE), args=server["args"], env=environ)
    async with stdio_client(parameters) as streams, ClientSession(*streams) as session:
        await session.initialize()
        yield session


async def test_a_desktop_assistant_calls_the_mesh_through_a_program(node: RunningNode) -> None:
    """By the configuration to paste; with progress, and failures as the node says them."""
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        assert (total, message) == (None, f'{{"number":{progress:g}}}')
        heard.append(progress)

    async with desktop(node) as assistant:
        assert "echo__say" in [tool.name for tool in (await assistant.list_tools()).tools]
        assert (await assistant.call_tool("echo__say", {"text": "x"})).structured_content == {"text": "x"}
        counted = await assistant.call_tool("echo__count", {"n": 2}, progress_callback=hear)
        assert counted.structured_content == {"outputs": [{"number": 1}, {"number": 2}]}
        assert heard == [1, 2]
        assert (await assistant.call_tool("echo__fail", {})).is_error


@pytest.mark.parametrize(
    ("place", "why"), [("127.0.0.1:9", "is a node running there"), ("", "UNAUTHENTICATED")], ids=["nobody", "stranger"]
)
def test_a_program_without_a_node_says_why(node: RunningNode, place: str, why: str) -> None:
    """In one line, where assistants log it."""
    command = (A2A_NODE, "mcp", "--url", f"http://{place or node.http}/mcp")
    environ = os.environ | {"A2A_KEY": "wrong"}
    ended = subprocess.run(
        command, env=environ, check=False, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert why in ended.stderr
    assert ended.stderr.count("\n") == 1


async def test_the_typescript_client_does_the_same(node: RunningNode) -> None:
    """All that an assistant does, and a call that it gives up."""
    printed = await asyncio.to_thread(run, "node", str(typescript_assistant()), node.key, f"http://{node.http}/mcp")
    seen = json.loads(printed)
    assert {"echo__say", "echo__count", "mesh_list_agents"} <= set(seen["tools"])
    assert seen["said"] == [{"text": str(number)} for number in range(4)]
    assert seen["progress"] == [1, 2, 3]
    assert seen["counted"] == {"outputs": [{"number": number} for number in (1, 2, 3)]}
    assert (seen["failed"], seen["unknown"], seen["cancelled"]) == ("AGENT_REFUSED", -32602, True)
