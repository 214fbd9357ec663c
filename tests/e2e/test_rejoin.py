"""Nodes that were away come back without ghosts: nothing is listed twice, and nothing that is not there."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import AgentNotFound, NoInstance
from a2a_node.model.nodes import NodeStatus
from tests.e2e.nodes import RunningNode, mesh_node
from tests.e2e.test_mesh import known, status
from tests.integration.store.lines import lined

PATIENCE = 60.0


@dataclass
class Mesh:
    """How nodes of one mesh are started, all with the development key of the first one."""

    house: ExitStack
    folder: Path
    redis_url: str
    key: str = ""

    async def node(self, name: str, postgres_url: str, folder: str = "") -> RunningNode:
        """One more node; in a thread, for its Postgres may be reached over a line of this loop."""
        place = self.folder / (folder or name)
        place.mkdir()
        if self.key:
            (place / "dev.key").write_text(self.key)
            (place / "dev.key").chmod(0o600)
        stores = {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": self.redis_url, "A2A_LEASE": "3"}
        entered = mesh_node(place, stores, "--node-id", name, "--no-echo")
        node = await asyncio.to_thread(self.house.enter_context, entered)
        self.key = node.key
        return node


@pytest.fixture
async def mesh(tmp_path: Path, redis_url: str) -> AsyncIterator[Mesh]:
    """No nodes yet."""
    house = ExitStack()
    try:
        yield Mesh(house, tmp_path, redis_url)
    finally:
        await asyncio.to_thread(house.close)


def named(name: str) -> Agent:
    """An agent that says its name."""
    agent = Agent(name)

    @agent.capability
    async def say() -> str:
        return name

    return agent


async def nodes_of(mesh: MeshClient, agent: str) -> list[str]:
    """The nodes through which its copies are reached."""
    try:
        return [instance.node for instance in (await mesh.agents.get(agent)).instances]
    except AgentNotFound:
        return []


async def reached(mesh: MeshClient, agent: str, nodes: list[str]) -> None:
    """Wait until its copies are reached through these nodes."""
    async with asyncio.timeout(PATIENCE):
        while await nodes_of(mesh, agent) != nodes:  # noqa: ASYNC110 - asked as an operator asks
            await asyncio.sleep(0.1)


async def answered(mesh: MeshClient, agent: str) -> object:
    """What it says, once the link to its node is there again."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                return await mesh.call(agent, "say")
            except NoInstance:
                await asyncio.sleep(0.1)


async def test_who_left_while_a_node_was_cut_off_does_not_come_back_with_it(mesh: Mesh, postgres_url: str) -> None:
    """And who stayed is there once, and called from every node."""
    async with lined(postgres_url) as (url, line), AsyncExitStack() as house:
        one = await mesh.node("one", postgres_url)
        two = await mesh.node("two", url)
        here = await house.enter_async_context(MeshClient(one.address, mesh.key))
        there = await house.enter_async_context(MeshClient(two.address, mesh.key))
        await house.enter_async_context(attached(named("stays"), two.address, key=mesh.key))
        async with attached(named("leaves"), two.address, key=mesh.key):
            for name in ("stays", "leaves"):
                await known(here, name, 1)
            line.cut()
            await status(here, "two", NodeStatus.SUSPECT)
        await line.restore()
        await status(here, "two", NodeStatus.ALIVE)
        for mesh_client in (here, there):
            await reached(mesh_client, "leaves", [])
            await reached(mesh_client, "stays", ["two"])
            assert await mesh_client.call("stays", "say") == {"result": "stays"}
        await asyncio.to_thread(two.program.end)


async def test_of_two_processes_with_one_id_the_newest_is_the_node(mesh: Mesh, postgres_url: str) -> None:
    """One that stood still meanwhile finds out, stops, and leaves the other one and its agents alone."""
    one = await mesh.node("one", postgres_url)
    old = await mesh.node("two", postgres_url)
    async with AsyncExitStack() as house:
        here = await house.enter_async_context(MeshClient(one.address, mesh.key))
        await house.enter_async_context(attached(named("moves"), f"{old.address},{one.address}", key=mesh.key))
        await known(here, "moves", 1)
        os.kill(old.pid, signal.SIGSTOP)
        new = await mesh.node("two", postgres_url, "new")
        await house.enter_async_context(attached(named("late"), new.address, key=mesh.key))
        os.kill(old.pid, signal.SIGCONT)
        assert await asyncio.to_thread(old.program.wait, PATIENCE) == 0
        assert "another process has joined as this node" in old.program.output
        await reached(here, "moves", ["one"])
        await reached(here, "late", ["two"])
        assert (await here.nodes.get("two")).node.status is NodeStatus.ALIVE
        assert (await here.nodes.get("two")).node.address == new.address
        for name in ("moves", "late"):
            assert await answered(here, name) == {"result": name}
