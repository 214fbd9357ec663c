"""The audit and the tap of real processes: what kill -9 leaves of a chain, and calls that are shown as they end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from itertools import pairwise
from pathlib import Path

import pytest

from a2a_node.client import MeshClient
from a2a_node.model.audit import FIRST_HASH, AuditEvent, AuditFilter
from a2a_node.model.errors import AgentRefused
from tests.e2e.nodes import A2A_NODE, RunningNode, running_node
from tests.e2e.processes import Program
from tests.e2e.tools import run

PATIENCE = 30.0


async def events(mesh: MeshClient, least: int, action: str = "*", last: str = "") -> list[AuditEvent]:
    """All events of an action, the oldest first, once there are so many and the last is of what is named."""
    async with asyncio.timeout(PATIENCE):
        while True:
            found = [event async for event in mesh.audit.list(AuditFilter(action=action))]
            if len(found) >= least and (not last or found[0].fact.target == last):
                return found[::-1]
            await asyncio.sleep(0.02)


async def test_a_killed_node_goes_on_with_its_chain(open_folder: Path) -> None:
    """What could be read before kill -9 is there; the chain has no hole and no doubled event, and is whole."""
    data_dir = open_folder / "audited"
    with running_node(data_dir) as node:
        async with MeshClient(node.address, node.key) as mesh:
            for number in range(20):
                await mesh.cache.set(f"before-{number}", number)
            seen = await events(mesh, 20, "cache:*")
            burst = [asyncio.create_task(mesh.cache.set(f"burst-{number}", number)) for number in range(200)]
            await burst[0]
            os.kill(node.pid, signal.SIGKILL)
            await asyncio.gather(*burst, return_exceptions=True)
    with running_node(data_dir) as again:
        async with MeshClient(again.address, again.key) as mesh:
            await mesh.cache.set("after", 1)
            chain = await events(mesh, len(seen) + 3, last="value:/after")
            assert [event.sequence for event in chain] == [*range(1, len(chain) + 1)]
            assert chain[0].previous_hash == FIRST_HASH
            assert all(after.previous_hash == before.hash for before, after in pairwise(chain))
            assert {event.fact.id for event in seen} < {event.fact.id for event in chain}
            assert [event.fact.action for event in chain].count("node:start") == 2
            verified = json.loads(run(str(A2A_NODE), "audit", "verify", "--json", environ=again.environ))
            assert verified == {"intact": True, "breaks": [], "chains": 1, "events": len(chain)}


async def test_a_node_that_is_told_to_stop_writes_all_that_waits(open_folder: Path) -> None:
    """Its own end as the last event."""
    data_dir = open_folder / "stopped"
    with running_node(data_dir) as node:
        async with MeshClient(node.address, node.key) as mesh:
            await asyncio.gather(*(mesh.cache.set(f"k-{number}", number) for number in range(100)))
        node.program.ends()
    with running_node(data_dir) as again:
        async with MeshClient(again.address, again.key) as mesh:
            actions = [event.fact.action for event in await events(mesh, 103)]
    assert actions == ["node:start", *["cache:set-value"] * 100, "node:stop", "node:start"]


async def test_calls_are_shown_as_they_end(node: RunningNode) -> None:
    """With principal, agent, capability, time and status, to whoever has a key that may read them."""
    with Program((A2A_NODE, "tap", "--agent", "echo"), node.environ) as tap:
        tap.line("^time +principal +agent +capability +ms +status$")
        async with MeshClient(node.address, node.key) as mesh:
            await mesh.call("echo", "say", {"text": "x"})
            with pytest.raises(AgentRefused):
                await mesh.call("echo", "fail", {"code": "NOT_FOUND"})
        async with MeshClient(node.address, "wrong") as stranger:
            asked = stranger.call("echo", "say", {"text": "x"})
            await asyncio.gather(asked, return_exceptions=True)
        tap.line(r"^[\d:.]{12} person:dev +echo +say +\d+\.\d succeeded$")
        tap.line(r"^[\d:.]{12} person:dev +echo +fail +\d+\.\d AGENT_REFUSED$")
        tap.line(r"^[\d:.]{12} nobody +echo +say +\d+\.\d UNAUTHENTICATED$")
    with Program((A2A_NODE, "tap"), {**node.environ, "A2A_KEY": "wrong"}) as refused:
        refused.line("^error: .*UNAUTHENTICATED")


async def test_every_call_has_a_line_of_the_log(open_folder: Path) -> None:
    """Within half a second; as JSON beside all else that is logged."""
    with running_node(open_folder / "logged", "--json-logs") as node:
        async with MeshClient(node.address, node.key) as mesh:
            await mesh.call("echo", "say", {"text": "x"})
            found = node.program.line(r'^\{.*"event":"call".*$', timeout=5)
            line = json.loads(found[0])
            assert (line["agent"], line["capability"], line["principal"]) == ("echo", "say", "person:dev")
            assert line["outcome"] == "succeeded"
            assert (await mesh.get_call(line["call_id"])).agent == "echo"
        async with MeshClient(node.address, "wrong") as stranger:
            await asyncio.gather(stranger.call("echo", "say", {}), return_exceptions=True)
            found = node.program.line(r'^\{.*"outcome":"refused".*$', timeout=5)
            assert json.loads(found[0])["ip_address"] == "127.0.0.1"


async def test_lines_can_be_switched_off(open_folder: Path) -> None:
    """Nothing is said of a call then."""
    with running_node(open_folder / "silent", "--no-access-log") as node:
        async with MeshClient(node.address, node.key) as mesh:
            await mesh.call("echo", "say", {"text": "x"})
        node.program.end()
        assert "echo.say" not in node.program.output
