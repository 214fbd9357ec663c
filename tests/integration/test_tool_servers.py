"""MCP servers that nodes keep: added, called, killed, restarted and removed, as people see it."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from a2a_node.client import MeshClient
from a2a_node.model.audit import AuditFilter
from a2a_node.model.errors import (
    InvalidInput,
    MeshError,
    ServerExists,
    ServerNotFound,
    SettingInvalid,
    StoreUnavailable,
)
from a2a_node.model.servers import HealthStatus, Server, ServerStatus
from a2a_node.model.tools import Placement, RestartRules, ServerConfig, ServerValue, Stdio
from tests.integration.mcp_house import SECRET, SERVER, misbehaving
from tests.integration.people import Meet, meet

__all__ = ["meet"]

PATIENCE = 60.0  # seconds


async def stands(mesh: MeshClient, status: ServerStatus, restarts: int = 0, name: str = "odd") -> Server:
    """Wait until a server stands so, and was restarted so often."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(StoreUnavailable):  # a machine that is too busy
                server = await mesh.tools.get(name)
                if server.status is status and server.restarts >= restarts and server.copies:
                    return server
            await asyncio.sleep(0.02)


async def a_moment() -> None:
    """Wait a little for what is told of by no event."""
    await asyncio.sleep(0.05)


async def pid_of(mesh: MeshClient) -> int:
    """The process of the server, once its tool can be called."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                answer = await mesh.call("mcp.odd", "pid", {})
            except MeshError:
                await asyncio.sleep(0.02)
            else:
                return int(str(answer["pid"] if isinstance(answer, dict) else answer))


async def test_a_server_is_an_agent_of_the_mesh(meet: Meet) -> None:
    """Its tools are called as capabilities; its secrets are never shown."""
    async with meet() as one:
        added = await one.dev.tools.add("odd", misbehaving())
        assert (added.status, added.agent) == (ServerStatus.STARTING, "mcp.odd")
        running = await stands(one.dev, ServerStatus.RUNNING)
        assert (running.health, [copy.node_id for copy in running.copies]) == (HealthStatus.HEALTHY, ["one"])
        assert await one.dev.call("mcp.odd", "echo", {"text": "hello"}) == {"text": "hello"}
        offered = {tool.tool.capability: tool async for tool in one.dev.tools.tools("odd")}
        assert offered["echo"].agent == "mcp.odd"
        assert len(offered) == running.tool_count
        listed = [server async for server in one.dev.tools.list()]
        facts = [event async for event in one.dev.audit.list(AuditFilter())]
        assert running.config.values == {"SECRET": ServerValue()}
        assert SECRET not in repr([added, running, listed, facts, await one.dev.tools.logs("odd")])
        with pytest.raises(ServerExists):
            await one.dev.tools.add("odd", misbehaving())
        assert await one.dev.tools.remove("odd")
        assert not await one.dev.tools.remove("odd")
        with pytest.raises(ServerNotFound):
            await one.dev.tools.get("odd")


async def test_a_server_is_stopped_and_started(meet: Meet) -> None:
    """One that ignores SIGTERM is killed after its grace; what is stopped stays so."""
    async with meet() as one:
        await one.dev.tools.add("odd", misbehaving("--stubborn"))
        pid = await pid_of(one.dev)
        stopped = await one.dev.tools.stop("odd", 0.4)
        assert (stopped.status, stopped.copies) == (ServerStatus.STOPPED, [])
        assert not psutil.pid_exists(pid)
        with pytest.raises(MeshError):
            await one.dev.call("mcp.odd", "echo", {})
        assert (await one.dev.tools.stop("odd")).status is ServerStatus.STOPPED
        await one.dev.tools.start("odd")
        again = await pid_of(one.dev)
        await one.dev.tools.start("odd")
        assert await pid_of(one.dev) == again
        await one.dev.tools.restart("odd", 0.2)
        async with asyncio.timeout(PATIENCE):
            while await pid_of(one.dev) == again:
                await a_moment()
        await one.dev.tools.stop("odd", 0.2)


async def test_what_cannot_be_started_says_why(meet: Meet) -> None:
    """A command that does not exist, a secret that the node has not; each is tried again, and named."""
    async with meet() as one:
        await one.dev.tools.add("odd", ServerConfig(Stdio("/no/such/program")))
        assert "/no/such/program" in (await stands(one.dev, ServerStatus.FAILED)).problem
        stdio = Stdio(sys.executable, ("-I", str(SERVER)), {"SECRET": ServerValue(secret_name="token")})
        await one.dev.tools.add("odd", ServerConfig(stdio), replace=True)
        async with asyncio.timeout(PATIENCE):
            while "'token'" not in (await stands(one.dev, ServerStatus.FAILED)).problem:
                await a_moment()
        secrets = one.node.key_file.parent / "secrets"
        secrets.mkdir()
        (secrets / "token").write_text(f"{SECRET}\n")
        await one.dev.tools.start("odd")
        assert await pid_of(one.dev)
        assert (await one.dev.tools.get("odd")).config.values == {"SECRET": ServerValue(secret_name="token")}


@pytest.mark.parametrize(
    ("config", "field"),
    [
        (ServerConfig(Stdio("")), "config.stdio.command"),
        (ServerConfig(Stdio("x", working_directory="here")), "config.stdio.working_directory"),
        (ServerConfig(Stdio("x", (), {"A B": ServerValue("v")})), "config.stdio.environment"),
        (ServerConfig(Stdio("x"), restart=RestartRules(initial_backoff=60.0)), "config.restart.initial_backoff"),
    ],
    ids=["no-command", "relative", "variable", "backoff"],
)
async def test_a_wrong_configuration_names_the_field(meet: Meet, config: ServerConfig, field: str) -> None:
    """Before anything is started."""
    async with meet() as one:
        with pytest.raises(InvalidInput) as refused:
            await one.dev.tools.add("odd", config)
        assert refused.value.faults[0][0] == field


async def test_a_server_moves_when_its_node_leaves(meet: Meet) -> None:
    """It runs on one node at a time, whose log any node reads; on each, where that is configured."""
    async with meet("two") as two:
        async with meet("one", labels="disk=fast") as one:
            await one.dev.tools.add("odd", replace(misbehaving(), node_labels={"disk": "fast"}))
            await one.dev.tools.add("each", replace(misbehaving(), placement=Placement.EVERY_NODE))
            first = await pid_of(two.dev)
            server = await stands(two.dev, ServerStatus.RUNNING)
            assert [copy.node_id for copy in server.copies] == ["one"]
            assert await two.dev.tools.logs("odd", 5) == await one.dev.tools.logs("odd", 5)
            await two.dev.tools.add("odd", misbehaving(), replace=True)
            async with asyncio.timeout(PATIENCE):
                while await pid_of(two.dev) == first:
                    await a_moment()
            async with asyncio.timeout(PATIENCE):
                while len((await stands(two.dev, ServerStatus.RUNNING, name="each")).copies) < 2:
                    await a_moment()
        async with asyncio.timeout(PATIENCE):
            while [copy.node_id for copy in (await stands(two.dev, ServerStatus.RUNNING)).copies] != ["two"]:
                await a_moment()
        assert await pid_of(two.dev)
        assert [copy.node_id for copy in (await two.dev.tools.get("each")).copies] == ["two"]


async def test_servers_come_from_a_file(meet: Meet, tmp_path: Path) -> None:
    """In the form that other clients read; what is wrong with it ends the start."""
    file = tmp_path / "servers.json"
    entry = {"command": sys.executable, "args": ["-I", str(SERVER)], "env": {"SECRET": "${secret:token}"}}
    file.write_text(json.dumps({"mcpServers": {"odd": entry}}))
    async with meet(mcp_servers=file, mcp_secrets=tmp_path) as one:
        (tmp_path / "token").write_text(SECRET)
        await one.dev.tools.start("odd")
        assert await pid_of(one.dev)
    file.write_text(json.dumps({"mcpServers": {"odd": {"command": ""}}}))
    with pytest.raises(SettingInvalid, match="'odd'"):
        async with meet(mcp_servers=file):
            pass
