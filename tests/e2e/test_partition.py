"""A node that was cut off until it counted as gone comes back: there once, with its agents, and with what it missed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from time import monotonic

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import MeshError
from a2a_node.model.nodes import NodeStatus
from tests.ample import AMPLE
from tests.e2e.parted import CUT, NAMES, Mesh, opened, standing
from tests.e2e.test_mesh import known, status

LEASE = 9.0  # seconds: who is cut off from Postgres tries it every 5 s
PATIENCE = 180.0
WHOLE = {
    "nodes": [("one", "alive", 0), ("three", "alive", 3), ("two", "alive", 1)],
    "agents": [("far", ["three"]), ("late", ["three"]), ("moves", ["three"]), ("stays", ["two"])],
}
AGENTS = ("far", "late", "moves", "stays")


def named(name: str) -> Agent:
    """An agent that says its name."""
    agent = Agent(name)

    @agent.capability(idempotent=True, limit=AMPLE)
    async def say() -> str:
        return name

    return agent


async def reason(mesh: MeshClient, agent: str) -> str:
    """What comes of a call: its answer, or the reason of its failure."""
    try:
        return str(await mesh.call(agent, "say", timeout=LEASE))
    except MeshError as failure:
        return failure.reason


async def until(mesh: MeshClient, agent: str, wanted: str) -> None:
    """Call until that comes of it."""
    while await reason(mesh, agent) != wanted:  # noqa: ASYNC110 - asked as a client asks
        await asyncio.sleep(0.05)


def answer(agent: str) -> str:
    """What an agent says."""
    return str({"result": agent})


@pytest.mark.parametrize("ended", [False, True], ids=["held up", "cut off"])
async def test_a_node_that_was_gone_is_back_without_ghosts(
    tmp_path: Path,
    postgres_url: str,
    redis_url: str,
    ended: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Nothing came from it or to it until all others counted it as gone; its own agents went on meanwhile."""
    async with (
        opened(tmp_path, (postgres_url, redis_url), LEASE) as mesh,
        AsyncExitStack() as house,
        asyncio.timeout(PATIENCE),
    ):
        others = [mesh.clients[name] for name in NAMES if name != CUT]
        cut = mesh.clients[CUT]
        for agent, node in (("stays", CUT), ("far", "three")):
            await house.enter_async_context(attached(named(agent), mesh.nodes[node].address, key=mesh.key))
        async with (
            attached(named("leaves"), mesh.nodes["one"].address, key=mesh.key),
            attached(named("moves"), mesh.nodes[CUT].address, key=mesh.key),
        ):
            for client in mesh.clients.values():
                for agent in ("stays", "far", "leaves", "moves"):
                    await known(client, agent, 1)
                    assert await reason(client, agent) == answer(agent)
            await mesh.part(ended=ended)
            for client in others:
                await status(client, CUT, NodeStatus.GONE)
        await known(mesh.clients["one"], "leaves", 0)
        await mesh.clients["one"].agents.deregister(agent="leaves")
        for agent in ("late", "moves"):
            await house.enter_async_context(attached(named(agent), mesh.nodes["three"].address, key=mesh.key))
        for client in others:
            await until(client, "late", answer("late"))
            await until(client, "moves", answer("moves"))
            assert await reason(client, "stays") in ("NO_INSTANCE", "AGENT_NOT_FOUND")
        assert await reason(cut, "stays") == answer("stays")
        assert await reason(cut, "late") == "AGENT_NOT_FOUND"

        await mesh.heal()
        healed = monotonic()
        await until(cut, "late", answer("late"))
        await until(cut, "leaves", "AGENT_NOT_FOUND")
        assert monotonic() - healed < LEASE
        await whole(mesh)


async def whole(mesh: Mesh) -> None:
    """Every node comes to list the mesh as it is, and does not change its mind for a lease; all calls pass."""
    for client in mesh.clients.values():
        while await standing(client) != WHOLE:  # noqa: ASYNC110 - asked as an operator asks
            await asyncio.sleep(0.05)
        for agent in AGENTS:
            await until(client, agent, answer(agent))
    end = monotonic() + LEASE
    while monotonic() < end:
        for client in mesh.clients.values():
            assert await standing(client) == WHOLE
            assert [await reason(client, agent) for agent in AGENTS] == [answer(agent) for agent in AGENTS]
        await asyncio.sleep(0.1)
