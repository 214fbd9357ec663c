"""Sessions with MCP servers that others wrote, over standard input and output and over HTTP."""

from __future__ import annotations

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from a2a_node.model.errors import AgentFailed, AgentLost, AgentProtocol, PayloadTooLarge
from a2a_node.model.tool_ports import ServerSession
from a2a_node.model.tools import Http, ServerConfig, ServerValue, Stdio
from a2a_node.tools.opening import Rules, opening
from tests.e2e.tools import ROOT

LOOPBACK = ROOT / "tests" / "e2e" / "mcp_servers" / "loopback.cjs"
PATIENCE = 20.0  # seconds
LIMIT = 100_000  # bytes of a result


def opened(folder: Path, transport: Stdio | Http) -> AbstractAsyncContextManager[ServerSession]:
    """A session with a server."""
    return opening(Rules(folder, LIMIT))("peer", ServerConfig(transport), lambda: 2.0, lambda _: None)


@asynccontextmanager
async def over_http(program: Path, port: int = 0) -> AsyncIterator[tuple[str, asyncio.subprocess.Process]]:
    """The server that has everything, on a port of loopback, a free one for 0; its address, and its process."""
    process = await asyncio.create_subprocess_exec(
        *("node", "--require", str(LOOPBACK), str(program), "streamableHttp"),
        env=os.environ | {"PORT": str(port)},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while (found := re.search(rb"bound to (\d+)", await process.stderr.readline())) is None:
                pass
        yield f"http://127.0.0.1:{int(found[1])}/mcp", process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.fixture(params=["stdio", "http"])
async def everything(request: pytest.FixtureRequest, mcp_servers: Path, tmp_path: Path) -> AsyncIterator[ServerSession]:
    """A session with the server that has everything."""
    program = mcp_servers / "mcp-server-everything"
    if request.param == "stdio":
        async with opened(tmp_path, Stdio(str(program), ("stdio",))) as session:
            yield session
    else:
        async with over_http(program) as (url, _), opened(tmp_path, Http(url)) as session:
            yield session


async def test_its_tools_are_called(everything: ServerSession) -> None:
    """Texts come as texts, structured content as objects, other blocks as the server made them."""
    assert await everything.call("echo", {"message": "hello"}) == "Echo: hello"
    weather = await everything.call("get-structured-content", {"location": "New York"})
    assert isinstance(weather, dict)
    assert set(weather) == {"temperature", "conditions", "humidity"}
    image = await everything.call("get-tiny-image", {})
    assert isinstance(image, dict)
    assert "image" in {block["type"] for block in image["content"]}


async def test_its_refusals_are_told(everything: ServerSession) -> None:
    """What it says of a wrong input comes back; a result that is too large fails its call alone."""
    with pytest.raises(AgentFailed, match="message"):
        await everything.call("echo", {"other": 1})
    with pytest.raises(PayloadTooLarge):
        await everything.call("echo", {"message": "x" * LIMIT})
    assert await everything.call("get-sum", {"a": 1, "b": 2}) == "The sum of 1 and 2 is 3."


async def test_its_progress_is_heard(everything: ServerSession) -> None:
    """Step by step."""
    heard: list[object] = []

    async def hear(note: object) -> None:
        heard.append(note)

    await everything.call("trigger-long-running-operation", {"duration": 0.4, "steps": 2}, hear)
    assert heard == [{"progress": 1, "total": 2}, {"progress": 2, "total": 2}]


async def test_its_resources_and_prompts_are_read(everything: ServerSession) -> None:
    """By the capabilities that stand for these methods."""
    capabilities = {tool.capability for tool in everything.tools}
    assert {"list-resources", "read-resource", "list-prompts", "get-prompt"} <= capabilities
    listed = await everything.call("resources/list", {})
    assert isinstance(listed, dict)
    first = listed["resources"][0]["uri"]
    read = await everything.call("resources/read", {"uri": first})
    assert isinstance(read, dict)
    assert read["contents"][0]["uri"] == first
    prompt = await everything.call("prompts/get", {"name": "args-prompt", "arguments": {"city": "Oslo"}})
    assert "Oslo" in str(prompt)


async def test_a_server_on_http_that_dies_is_lost(mcp_servers: Path, tmp_path: Path) -> None:
    """Its calls fail, and so do its pings."""
    async with (
        over_http(mcp_servers / "mcp-server-everything") as (url, process),
        opened(tmp_path, Http(url)) as session,
    ):
        call = asyncio.create_task(session.call("trigger-long-running-operation", {"duration": 60, "steps": 2}))
        await session.ping()
        process.kill()
        async with asyncio.timeout(PATIENCE):
            with pytest.raises(AgentLost):
                await call
            with pytest.raises(AgentLost):
                await session.ping()


async def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    """Without the values that its headers carry."""
    with pytest.raises(AgentProtocol, match=r"mcp\.peer.*connection"):
        async with opened(tmp_path, Http("http://127.0.0.1:9/mcp", {"authorization": ServerValue("sesame")})):
            pass


async def test_files_are_read_where_they_may_be(mcp_servers: Path, tmp_path: Path) -> None:
    """And nowhere else."""
    shown = tmp_path / "shown"
    shown.mkdir()
    (shown / "letter.txt").write_text("dear mesh")
    (tmp_path / "hidden.txt").write_text("secret")
    files = Stdio(str(mcp_servers / "mcp-server-filesystem"), (str(shown),))
    async with opened(tmp_path / "home", files) as session:
        read = await session.call("read_text_file", {"path": str(shown / "letter.txt")})
        assert read == {"content": "dear mesh"}
        with pytest.raises(AgentFailed, match="denied"):
            await session.call("read_text_file", {"path": str(tmp_path / "hidden.txt")})
        assert {tool.capability for tool in session.tools if tool.read_only} >= {"read_text_file", "list_directory"}
