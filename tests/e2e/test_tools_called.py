"""Tools of MCP servers, called through a node: the same trace, limits and grants as for every other call."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from uuid import uuid4

import psutil
import pytest
from opentelemetry.context import detach

from a2a_node.client import MeshClient
from a2a_node.model.errors import (
    AgentFailed,
    AgentLost,
    CapabilityNotFound,
    NoInstance,
    PayloadTooLarge,
    PermissionDenied,
    RateLimited,
    StoreUnavailable,
)
from a2a_node.model.limits import LimitKey
from a2a_node.model.servers import ServerStatus
from a2a_node.model.tools import ServerConfig
from a2a_node.model.trace import Trace
from a2a_node.tracing.context import entered
from tests.e2e.assistants import assistant
from tests.e2e.nodes import RunningNode, running_node
from tests.integration.mcp_clients import reason
from tests.integration.mcp_house import misbehaving
from tests.integration.receiver import Receiver

PATIENCE = 60.0  # seconds
FIFTY_MIB = 50 * 1024 * 1024


@pytest.fixture(scope="module")
def node(open_folder: Path, receiver: Receiver) -> Iterator[RunningNode]:
    """A node that traces."""
    with running_node(open_folder / "tools", "--trace-endpoint", receiver.address) as node:
        yield node


@pytest.fixture
async def mesh(node: RunningNode) -> AsyncIterator[MeshClient]:
    """A client of the node."""
    async with MeshClient(node.address, node.key) as mesh:
        yield mesh


async def until(truth: Callable[[], Awaitable[bool]]) -> None:
    """Ask until it is so; a store that seems to be away, as on a machine that is too busy, is asked again."""
    async with asyncio.timeout(PATIENCE):
        for _ in count():
            with suppress(StoreUnavailable):
                if await truth():
                    return
            await asyncio.sleep(0.05)


async def running(mesh: MeshClient, name: str, config: ServerConfig) -> str:
    """Add a server, or give it that configuration, and wait until it runs; its agent."""
    await mesh.tools.add(name, config, replace=True)

    async def runs() -> bool:
        found = await mesh.tools.get(name)
        assert found.status is not ServerStatus.QUARANTINED, found.problem
        return found.status is ServerStatus.RUNNING

    await until(runs)
    return f"mcp.{name}"


@pytest.fixture
async def agent(mesh: MeshClient) -> AsyncIterator[str]:
    """The server that misbehaves on command, as an agent."""
    yield await running(mesh, "odd", misbehaving())
    await mesh.tools.remove("odd", grace=0.5)


async def test_a_tool_is_told_the_trace(mesh: MeshClient, agent: str) -> None:
    """So that a server that traces joins it."""
    root = Trace(uuid4().int, 5, sampled=True)
    before = entered(root)
    try:
        told = await mesh.call(agent, "told", {})
    finally:
        detach(before)
    assert isinstance(told, dict)
    assert told["traceparent"].split("-")[1] == f"{root.trace_id:032x}"


async def test_a_limit_of_one_tool_is_no_limit_of_another(mesh: MeshClient, agent: str) -> None:
    """One rule for an agent and for its capabilities."""
    key = LimitKey(agent=agent, capability="get-two")
    await mesh.limits.set(0.001, 1, key)
    assert await mesh.call(agent, "get-two", {}) == "2"
    with pytest.raises(RateLimited):
        await mesh.call(agent, "get-two", {})
    assert await mesh.call(agent, "echo", {"a": 1}) == {"a": 1}
    await mesh.limits.reset(key)


async def test_a_tool_needs_a_grant(mesh: MeshClient, node: RunningNode, agent: str) -> None:
    """That of its agent; without one the server hears nothing."""
    made = await mesh.keys.create(principal="person:ann")
    async with MeshClient(node.address, made.secret) as ann:
        with pytest.raises(PermissionDenied):
            await ann.call(agent, "echo", {})
        await mesh.grants.give("person:ann", f"agent:{agent}:invoke")
        assert await ann.call(agent, "echo", {"a": 1}) == {"a": 1}


async def test_progress_is_a_stream(mesh: MeshClient, agent: str) -> None:
    """Its last event is the answer; a unary call has that alone."""
    events = [event async for event in mesh.stream(agent, "count", {"to": 3})]
    assert events[-1] == {"counted": 3}
    assert events[0] == {"progress": 1, "total": 3, "message": "step 1"}
    assert await mesh.call(agent, "count", {"to": 3}) == {"counted": 3}


async def test_a_client_that_goes_away_cancels_the_tool(mesh: MeshClient, agent: str) -> None:
    """The server hears of it."""
    call = asyncio.create_task(mesh.call(agent, "hang", {}, timeout=60.0))
    await logged(mesh, "odd", "hangs")
    call.cancel()
    await logged(mesh, "odd", "cancelled")


async def logged(mesh: MeshClient, name: str, words: str) -> None:
    """Wait until a server has written a line with these words."""

    async def said() -> bool:
        return any(words in line for line in await mesh.tools.logs(name))

    await until(said)


async def test_failures_have_reasons(mesh: MeshClient, agent: str) -> None:
    """The tool's own words, and what there is instead of a capability that cannot be called."""
    with pytest.raises(AgentFailed, match="no such row"):
        await mesh.call(agent, "fail", {"why": "no such row"})
    with pytest.raises(CapabilityNotFound):
        await mesh.call(agent, "bad-schema", {})


async def test_tools_that_change_are_known_to_the_mesh(mesh: MeshClient, agent: str) -> None:
    """Without anybody asking."""
    await mesh.call(agent, "change", {"name": "fresh"})

    async def known() -> bool:
        return "fresh" in {one.name for one in (await mesh.agents.get(agent)).agent.descriptor.capabilities}

    await until(known)


async def test_a_server_that_is_killed_fails_its_calls_at_once_and_comes_back(mesh: MeshClient, agent: str) -> None:
    """Whoever calls again is served by the next process."""
    pid = int(str(await mesh.call(agent, "pid", {})))
    call = asyncio.create_task(mesh.call(agent, "hang", {}, timeout=60.0))
    await logged(mesh, "odd", "hangs")
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(PATIENCE):
        with pytest.raises(AgentLost):
            await call

    async def again() -> bool:
        with suppress(NoInstance, AgentLost):
            return int(str(await mesh.call(agent, "pid", {}))) != pid
        return False

    await until(again)


async def test_a_result_of_fifty_mebibytes_fails_its_call_alone(
    mesh: MeshClient, node: RunningNode, agent: str
) -> None:
    """With a reason, over both doors; the node does not hold it, and the session goes on."""
    process = psutil.Process(node.pid)
    async with assistant(node.key, node) as ann:
        assert not (await ann.call_tool("mcpPodd__big", {"bytes": 10})).is_error
        before = process.memory_info().rss
        asked = {"bytes": FIFTY_MIB}
        with pytest.raises(PayloadTooLarge):
            await mesh.call(agent, "big", asked, timeout=PATIENCE)
        assert reason(await ann.call_tool("mcpPodd__big", asked)) == "PAYLOAD_TOO_LARGE"
    assert process.memory_info().rss < before + FIFTY_MIB
    assert await mesh.call(agent, "echo", {"a": 1}) == {"a": 1}


async def test_tools_that_change_during_a_call_leave_it_alone(mesh: MeshClient, agent: str, tmp_path: Path) -> None:
    """It is answered, and so are calls of the new tools; garbage in between breaks nothing."""
    file = tmp_path / "expected"
    call = asyncio.create_task(mesh.call(agent, "expect", {"path": str(file)}, timeout=PATIENCE))
    await logged(mesh, "odd", "expects")
    await mesh.call(agent, "flood", {"times": 100})
    await mesh.call(agent, "garbage", {"lines": 100})
    await mesh.call(agent, "change", {"name": "newer"})

    async def known() -> bool:
        return "newer" in {one.name for one in (await mesh.agents.get(agent)).agent.descriptor.capabilities}

    await until(known)
    assert not call.done()
    file.touch()
    assert await call == "there"


async def test_the_first_of_two_tools_of_one_name_is_called(mesh: MeshClient, agent: str) -> None:
    """The other one is listed with what is wrong with it, as is one whose schema is none."""
    assert await mesh.call(agent, "echo", {"a": 1}) == {"a": 1}
    problems = {one.tool.tool: one.tool.problem async for one in mesh.tools.tools("odd") if one.tool.problem}
    assert set(problems) == {"no-schema", "bad-schema", "echo"}
    assert "two tools of the name 'echo'" in problems["echo"]
    offered = [one.name for one in (await mesh.agents.get(agent)).agent.descriptor.capabilities]
    assert len(offered) == len(set(offered))
    assert "bad-schema" not in offered
