"""How MCP servers stand, as operators see it: metrics, readiness, audit; and how one moves when its node drains."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest

from a2a_node.client import MeshClient
from a2a_node.model.audit import AuditOutcome
from a2a_node.model.errors import AgentFailed, PermissionDenied
from a2a_node.model.limits import LimitKey
from a2a_node.model.servers import ServerStatus
from a2a_node.model.tools import Http, RestartRules, ServerConfig, Stdio
from a2a_node.node import Node
from tests.integration.mcp_house import misbehaving
from tests.integration.people import Meet, meet
from tests.integration.test_audit import events
from tests.integration.test_metrics import metrics, total, value
from tests.integration.test_tool_restarts import hanging, logged, pid_of
from tests.integration.test_tool_servers import PATIENCE, a_moment, stands

__all__ = ["meet"]
NOT_AGAIN = RestartRules(60.0, 60.0)
LEFT_ALONE = RestartRules(0.001, 0.001, max_restarts=1)


async def readiness(node: Node) -> tuple[int, dict[str, str]]:
    """What /readyz answers, and how it says that each thing stands."""

    def read() -> tuple[int, dict[str, str]]:
        with urllib.request.urlopen(f"http://{node.http_address}/readyz", timeout=20) as response:
            return response.status, json.load(response)["dependencies"]

    return await asyncio.to_thread(read)


async def test_metrics_and_readiness_say_how_servers_stand(meet: Meet) -> None:
    """Each by itself: one that runs, one that was lost, one that is not there, one that is left alone, one stopped."""
    async with meet() as one:
        mesh = one.dev
        await mesh.tools.add("up", misbehaving())
        await mesh.tools.add("lost", replace(misbehaving(), restart=NOT_AGAIN))
        await mesh.tools.add("away", ServerConfig(Http("http://127.0.0.1:9/mcp"), restart=NOT_AGAIN))
        await mesh.tools.add("alone", ServerConfig(Stdio("false"), restart=LEFT_ALONE))
        await mesh.tools.add("stopped", misbehaving(), start=False)
        os.kill(await pid_of(mesh, "lost"), signal.SIGKILL)
        await stands(mesh, ServerStatus.RUNNING, name="up")
        for name in ("lost", "away"):
            await stands(mesh, ServerStatus.FAILED, name=name)
        await stands(mesh, ServerStatus.QUARANTINED, name="alone")
        found = await metrics(one.node)
        standing = {kind: value(found, f"a2a_mcp_servers_{kind}") for kind in ("running", "healthy")}
        standing |= {kind: value(found, f"a2a_mcp_servers_{kind}") for kind in ("failed", "quarantined")}
        assert standing == {"running": 1, "healthy": 1, "failed": 2, "quarantined": 1}
        assert total(found, "a2a_mcp_server_restarts_total") == total(
            found, "a2a_mcp_server_restarts_total", server="alone"
        )
        status, said = await readiness(one.node)
        named = {name: how for name, how in said.items() if name.startswith("mcp.")}
        assert said["mcp_servers"] == "3 down"
        assert (status, named) == (200, {"mcp.lost": "failed", "mcp.away": "failed", "mcp.alone": "quarantined"})
        await mesh.tools.start("lost")
        await pid_of(mesh, "lost")
        assert "mcp.lost" not in (await readiness(one.node))[1]


async def test_readiness_names_each_thing_that_a_node_depends_on(meet: Meet) -> None:
    """Both stores, the MCP servers and the engine among them, also while all is well."""
    async with meet() as one:
        assert (await readiness(one.node))[1] == {
            "postgres": "ok",
            "redis": "ok",
            "directory": "ok",
            "limits": "ok",
            "workflows": "off",
            "mcp_servers": "ok",
        }


async def test_tools_are_counted_and_timed_by_server_and_tool(meet: Meet) -> None:
    """Whatever node they are called through, where the server runs; with the agent's own series where they came in."""
    async with meet("one") as one:
        await one.dev.limits.set(1e6, 1_000_000, LimitKey(agent="mcp.odd"))
        await one.dev.tools.add("odd", misbehaving())
        await pid_of(one.dev, "odd")
        async with meet("two") as two:
            await pid_of(two.dev, "odd")
            for _ in range(3):
                await two.dev.call("mcp.odd", "echo", {"a": 1})
            with pytest.raises(AgentFailed):
                await two.dev.call("mcp.odd", "fail", {})
            call = await hanging(two.dev, "odd")
            call.cancel()
            await logged(two.dev, "odd", "cancelled")
            here, there = await metrics(one.node), await metrics(two.node)
        counted = "a2a_mcp_tool_calls_total"
        for tool, outcome, count in (("echo", "ok", 3), ("fail", "error", 1), ("hang", "cancelled", 1)):
            assert value(here, counted, server="odd", tool=tool, outcome=outcome) == count
            assert value(here, "a2a_mcp_tool_call_seconds_count", server="odd", tool=tool) == count
        assert value(here, "a2a_mcp_tool_call_seconds_sum", server="odd", tool="echo") > 0
        assert total(there, counted) == 0
        assert value(there, "a2a_agent_invocations_total", agent="mcp.odd", capability="echo", outcome="ok") == 3
        assert value(there, "a2a_response_time_seconds_count", agent="mcp.odd", capability="echo") == 3


async def test_the_audit_has_every_call_of_a_tool(meet: Meet) -> None:
    """Who called what, in which trace; and who was not let."""
    async with meet(audit_calls=True) as one:
        await one.dev.tools.add("odd", misbehaving())
        await pid_of(one.dev, "odd")
        assert (await one.dev.agents.get("mcp.odd")).agent.descriptor.version == "1.0"  # by the server's own word
        with pytest.raises(PermissionDenied):
            await one.ann.call("mcp.odd", "echo", {})
        await one.dev.grants.give("person:ann", "agent:mcp.odd:invoke")
        await one.ann.call("mcp.odd", "echo", {"text": "a payload"})
        refused, allowed = (event.fact for event in await events(one.dev, 2, user_id="person:ann"))
        assert (refused.action, refused.target, refused.outcome, refused.reason) == (
            "agent:invoke",
            "agent:mcp.odd:echo",
            AuditOutcome.REFUSED,
            "PERMISSION_DENIED",
        )
        assert (allowed.action, allowed.target, allowed.outcome) == (
            "agent:invoke",
            "agent:mcp.odd:echo",
            AuditOutcome.SUCCEEDED,
        )
        assert allowed.trace_id
        assert (refused.server_id, allowed.server_id) == ("odd", "odd")
        assert "a payload" not in repr(allowed)
        kept = {event.fact.action for event in await events(one.dev, 1, action="tool:*")}
        assert "tool:add-server" in kept


async def busy(mesh: MeshClient, begun: asyncio.Event) -> None:
    """Have a node do something else for a minute."""
    async for _ in mesh.stream("echo", "count", {"n": 2, "delay_ms": 60_000}, timeout=PATIENCE):
        begun.set()


async def test_a_server_moves_once_its_calls_have_ended_when_its_node_drains(meet: Meet, tmp_path: Path) -> None:
    """While another call keeps the node from closing: those under way end well, and new ones go to the other node."""
    file = tmp_path / "expected"
    async with meet("one", drain=PATIENCE) as one:
        await one.dev.tools.add("odd", misbehaving())
        before = await pid_of(one.dev, "odd")
        async with meet("two") as two:
            assert await pid_of(two.dev, "odd") == before
            begun = asyncio.Event()
            other = asyncio.create_task(busy(one.dev, begun))
            await begun.wait()
            call = asyncio.create_task(two.dev.call("mcp.odd", "expect", {"path": str(file)}, timeout=PATIENCE))
            await logged(two.dev, "odd", "expects")
            draining = asyncio.create_task(one.node.drained())
            async with asyncio.timeout(PATIENCE):
                while (await two.dev.agents.get("mcp.odd")).instances:
                    await a_moment()
            assert not call.done()
            file.touch()
            assert await call == "there"
            assert await pid_of(two.dev, "odd", other=before)
            assert [copy.node_id for copy in (await stands(two.dev, ServerStatus.RUNNING)).copies] == ["two"]
            assert not draining.done()
            other.cancel()
            assert await draining == 0
