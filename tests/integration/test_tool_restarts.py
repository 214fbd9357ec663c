"""MCP servers that end again and again: who hears of it, how soon they are back, and what they leave behind."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import median
from time import monotonic

import psutil
import pytest

from a2a_node.client import MeshClient
from a2a_node.model.audit import AuditEvent, AuditFilter
from a2a_node.model.errors import AgentLost, MeshError, StoreUnavailable
from a2a_node.model.limits import LimitKey
from a2a_node.model.servers import HealthStatus, ServerStatus
from a2a_node.model.tools import HealthCheck, RestartRules, ServerConfig, Stdio
from tests.integration.mcp_house import SERVER, misbehaving, session
from tests.integration.people import Meet, meet
from tests.integration.test_metrics import metrics, total, value
from tests.integration.test_tool_servers import PATIENCE, a_moment, stands

__all__ = ["meet"]

AT_ONCE = RestartRules(0.001, 0.001, max_restarts=200)
BACK = 2.0  # seconds from the end of a server to the next call that it answers, beside what it takes to start
ROUNDS = 50
Way = Callable[[MeshClient, str], Awaitable[object]]


async def pid_of(mesh: MeshClient, name: str, other: int = 0) -> int:
    """The process of a server, once its tool can be called and it is another one."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(MeshError):
                pid = int(str(await mesh.call(f"mcp.{name}", "pid", {})))
                if pid != other:
                    return pid
            await asyncio.sleep(0.01)


async def hanging(mesh: MeshClient, name: str) -> asyncio.Task[object]:
    """A call that its server has begun."""
    call = asyncio.create_task(mesh.call(f"mcp.{name}", "hang", {}, timeout=PATIENCE))
    await logged(mesh, name, "hangs")
    return call


async def logged(mesh: MeshClient, name: str, words: str) -> None:
    """Wait until a server has written a line with these words."""
    async with asyncio.timeout(PATIENCE):
        while not any(words in line for line in await mesh.tools.logs(name)):
            await a_moment()


async def restarts_of(mesh: MeshClient, count: int) -> Sequence[AuditEvent]:
    """The restarts in the audit, once there are so many."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = [event async for event in mesh.audit.list(AuditFilter(action="server:restart"))]
            if len(found) >= count:
                return found
            await a_moment()


async def started_alone(folder: Path) -> float:
    """Seconds that the server itself takes to start, without the mesh."""
    begun = monotonic()
    async with session(folder, misbehaving()):
        return monotonic() - begun


async def test_a_server_that_is_killed_is_back_within_two_seconds(meet: Meet, tmp_path: Path) -> None:
    """Its calls have failed by then, with a reason; its restart is in the table, the metric and the audit."""
    names = ["odd-1", "odd-2", "odd-3"]
    alone, away = list[float](), list[float]()
    async with meet() as one:
        for name in names:
            await one.dev.tools.add(name, misbehaving())
            pid, call = await pid_of(one.dev, name), await hanging(one.dev, name)
            alone.append(await started_alone(tmp_path / name))
            killed = monotonic()
            os.kill(pid, signal.SIGKILL)
            back = asyncio.create_task(pid_of(one.dev, name, other=pid))
            with pytest.raises(AgentLost, match=f"mcp.{name}") as lost:
                await call
            assert not back.done()
            assert (lost.value.reason, lost.value.variables["agent"]) == ("AGENT_LOST", f"mcp.{name}")
            await back
            away.append(monotonic() - killed)
        assert median(away) <= BACK + max(alone), (away, alone)
        found = await metrics(one.node)
        for name in names:
            server = await stands(one.dev, ServerStatus.RUNNING, 1, name)
            assert (server.restarts, server.copies[0].restarts, server.health) == (1, 1, HealthStatus.HEALTHY)
            assert server.last_restart is not None
            assert total(found, "a2a_mcp_server_restarts_total", server=name) == 1
        facts = [event.fact for event in await restarts_of(one.dev, 3)]
        assert {fact.server_id for fact in facts} == {*names}
        assert {(fact.user_id, fact.metadata["why"]) for fact in facts} == {("node:one", "was ended by SIGKILL")}


async def crashed(mesh: MeshClient, name: str) -> None:
    """Have a server end in the middle of a call."""
    with pytest.raises(AgentLost):
        await mesh.call(f"mcp.{name}", "crash", {})


async def killed(mesh: MeshClient, name: str) -> None:
    """Have it killed from outside."""
    os.kill(await pid_of(mesh, name), signal.SIGKILL)


async def wished(mesh: MeshClient, name: str) -> None:
    """Have somebody restart it; on a machine that is too busy nobody may know whether the wish was heard."""
    while True:
        with suppress(StoreUnavailable):
            await mesh.tools.restart(name, 1.0)
            return


WAYS: Mapping[str, Way] = {"crashed": crashed, "too": crashed, "killed": killed, "wished": wished}


async def ended(mesh: MeshClient, name: str, times: int) -> None:
    """End a server so often, always as soon as it is called again."""
    for _ in range(times):
        before = await pid_of(mesh, name)
        await WAYS[name](mesh, name)
        await pid_of(mesh, name, other=before)


def children(process: psutil.Process) -> list[str]:
    """The processes of servers, and those that guard them."""
    lines = list[str]()
    for child in process.children(recursive=True):
        with suppress(psutil.Error):
            lines.append(" ".join(child.cmdline()))
    return [line for line in lines if SERVER.name in line]


async def test_two_hundred_restarts_of_servers_at_work_leave_nothing(meet: Meet, tmp_path: Path) -> None:
    """No process, no file handle, no task: of servers that crash in a call, are killed, and are restarted by people."""
    async with meet() as one:
        for name in WAYS:
            await one.dev.limits.set(1e6, 1_000_000, LimitKey(agent=f"mcp.{name}"))
            await one.dev.tools.add(name, replace(misbehaving(), restart=AT_ONCE))
        await asyncio.gather(*(ended(one.dev, name, 1) for name in WAYS))
        process, tasks = psutil.Process(), len(asyncio.all_tasks())
        files, threads = process.num_fds(), process.num_threads()
        await asyncio.gather(*(ended(one.dev, name, ROUNDS) for name in WAYS))
        assert len(children(process)) == 2 * len(WAYS)  # each server, and its guard
        assert process.num_fds() <= files + 4
        assert process.num_threads() <= threads + 8
        assert len(asyncio.all_tasks()) <= tasks + 4
        found = await metrics(one.node)
        for name in WAYS:
            counted = (await stands(one.dev, ServerStatus.RUNNING, ROUNDS + 1, name)).restarts
            assert total(found, "a2a_mcp_server_restarts_total", server=name) == counted
            assert counted == ROUNDS + 1 or name == "wished"  # a wish that was not heard for sure is said again
        every = total(found, "a2a_mcp_server_restarts_total")
        assert len(await restarts_of(one.dev, int(every))) == every
        for name in WAYS:
            assert await one.dev.tools.remove(name, grace=1.0)
        assert children(process) == []
        assert process.num_fds() <= files + 4 - 4 * len(WAYS)
        assert [*(tmp_path / "one" / "mcp").glob("*/*")] == []


async def test_one_that_answers_no_ping_is_restarted(meet: Meet) -> None:
    """It is told of while it hangs; what it was asked fails, and its next process answers."""
    checks = HealthCheck(interval=1.0, timeout=1.0, failures=3)
    async with meet() as one:
        await one.dev.tools.add("odd", replace(misbehaving(), health=checks))
        before = await pid_of(one.dev, "odd")
        with pytest.raises(AgentLost):
            await one.dev.call("mcp.odd", "deaf", {}, timeout=PATIENCE)
        assert await pid_of(one.dev, "odd", other=before)
        (event,) = await restarts_of(one.dev, 1)
        assert event.fact.metadata["why"] == "it did not answer 3 health checks in a row"
        assert not psutil.pid_exists(before)


async def test_one_that_ends_too_often_is_left_alone(meet: Meet) -> None:
    """Until somebody starts it: its metric and readiness say so."""
    async with meet() as one:
        rules = replace(AT_ONCE, max_restarts=3)
        await one.dev.tools.add("odd", ServerConfig(Stdio("false"), restart=rules))
        assert "restarted too often" in (await stands(one.dev, ServerStatus.QUARANTINED, 3, "odd")).problem
        assert value(await metrics(one.node), "a2a_mcp_servers_quarantined") == 1
        assert one.node.standing.readiness()[1]["mcp.odd"] == "quarantined"
        await one.dev.tools.start("odd")
        assert (await stands(one.dev, ServerStatus.QUARANTINED, 7, "odd")).restarts == 7
