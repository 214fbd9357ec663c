"""A node that drains loses nothing: whoever has another node to go to is served all the while."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint
from a2a_node.model.audit import AuditFilter
from a2a_node.model.errors import MeshError, RateLimited
from a2a_node.testing import Line
from tests.ample import AMPLE
from tests.e2e.nodes import A2A_NODE, RunningNode, mesh_node
from tests.e2e.test_mesh import known
from tests.integration.store.lines import lined

PATIENCE = 60.0
EVENTS = 20  # of each stream


@dataclass
class Work:
    """What the copies of an agent have begun: no call of theirs may be done again."""

    begun: Counter[int] = field(default_factory=Counter)

    def agent(self, name: str) -> Agent:
        """One more copy."""
        agent = Agent(name)

        @agent.capability(limit=AMPLE)
        async def ask(number: int) -> dict[str, int]:
            self.begun[number] += 1
            await asyncio.sleep(0.002)
            return {"number": number}

        @agent.capability(limit=AMPLE)
        async def count(n: int) -> AsyncIterator[dict[str, int]]:
            for number in range(n):
                await asyncio.sleep(0.002)
                yield {"number": number}

        return agent


@dataclass
class Load:
    """Calls and streams through some clients, in several tasks, until it is told to stop."""

    agent: str
    stopped: bool = False
    asked: int = 0
    answers: int = 0
    streams: int = 0
    failures: list[str] = field(default_factory=list)

    async def run(self, clients: list[MeshClient]) -> None:
        """Ask until stopped."""
        works = [work(mesh) for mesh in clients for work in (self._ask, self._ask, self._listen)]
        await asyncio.gather(*works)

    async def more(self, calls: int, streams: int = 2) -> None:
        """Wait until so many more calls and streams were answered."""
        calls, streams = self.answers + calls, self.streams + streams
        async with asyncio.timeout(PATIENCE):
            while self.answers < calls or self.streams < streams:  # noqa: ASYNC110 - the load itself is what goes on
                await asyncio.sleep(0.01)

    async def _ask(self, mesh: MeshClient) -> None:
        while not self.stopped:
            self.asked += 1
            try:
                await mesh.call(self.agent, "ask", {"number": self.asked}, timeout=PATIENCE)
                self.answers += 1
            except RateLimited:  # a busy machine took Redis for away; nothing was begun
                continue
            except MeshError as failure:
                self.failures.append(f"call: {failure!r}")

    async def _listen(self, mesh: MeshClient) -> None:
        while not self.stopped:
            try:
                heard = [one async for one in mesh.stream(self.agent, "count", {"n": EVENTS}, timeout=PATIENCE)]
                assert heard == [{"number": number} for number in range(EVENTS)]
                self.streams += 1
            except RateLimited:
                continue
            except MeshError as failure:
                self.failures.append(f"stream: {failure!r}")


Drain = Callable[["Mesh"], Awaitable[None]]


async def by_command(mesh: Mesh) -> None:
    """`a2a-node drain`, asked of the other node."""
    process = await asyncio.create_subprocess_exec(
        A2A_NODE, "drain", "two", env=os.environ | mesh.one.environ, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await asyncio.wait_for(process.communicate(), PATIENCE)
    assert (process.returncode, said.decode().splitlines()[-1]) == (0, "two is gone")


async def by_request(mesh: Mesh) -> None:
    """DrainNode, asked of the other node."""
    async with MeshClient(mesh.one.address, mesh.one.key) as here:
        await here.nodes.drain("two")


async def by_signal(mesh: Mesh) -> None:
    """SIGTERM."""
    os.kill(mesh.two.pid, signal.SIGTERM)


@dataclass
class Mesh:
    """Two nodes with one development key, and the line to their Postgres."""

    one: RunningNode
    two: RunningNode
    postgres: Line

    @property
    def both(self) -> str:
        """The addresses of those who are with the second node, and may go to the first one."""
        return f"{self.two.address},{self.one.address}"


@pytest.fixture
async def mesh(tmp_path: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Mesh]:
    """Two nodes."""
    async with lined(postgres_url) as (url, line):
        stores = {"A2A_POSTGRES_URL": url, "A2A_REDIS_URL": redis_url, "A2A_LEASE": "5"}
        with ExitStack() as house:
            one = await asyncio.to_thread(started, house, tmp_path / "one", stores)
            two = await asyncio.to_thread(joined, house, tmp_path / "two", stores, one.key)
            yield Mesh(one, two, line)
            await line.restore()
            for node in (two, one):
                await asyncio.to_thread(node.program.end)


def started(house: ExitStack, folder: Path, stores: dict[str, str]) -> RunningNode:
    """A node, in a thread: its Postgres is reached over a line of this loop."""
    return house.enter_context(mesh_node(folder, stores, "--node-id", folder.name, "--no-echo"))


@asynccontextmanager
async def loaded(mesh: Mesh, agent: str) -> AsyncIterator[Load]:
    """Calls of those who are with the first node, and of those with the second one."""
    load = Load(agent)
    async with (
        MeshClient(mesh.one.address, mesh.one.key) as near,
        MeshClient(mesh.both, mesh.one.key) as far,
        asyncio.TaskGroup() as tasks,
    ):
        running = tasks.create_task(load.run([near, far]))
        await load.more(50)
        yield load
        await load.more(50)
        load.stopped = True
        await running


async def drains(mesh: MeshClient) -> int:
    """How many drains were recorded."""
    return len([event async for event in mesh.audit.list(AuditFilter(action="node:drain"))])


@pytest.mark.parametrize("way", ["attached", "endpoint"])
@pytest.mark.parametrize("drain", [by_command, by_signal])
async def test_the_only_copy_of_an_agent_moves_and_no_call_is_lost_or_done_twice(
    mesh: Mesh, way: str, drain: Drain
) -> None:
    """Neither through the node that drains nor through the other one, and it leaves nothing behind."""
    work = Work()
    async with AsyncExitStack() as house:
        there = await house.enter_async_context(MeshClient(mesh.both, mesh.one.key))
        here = await house.enter_async_context(MeshClient(mesh.one.address, mesh.one.key))
        agent = work.agent("only")
        place = attached(agent, mesh.both, key=mesh.one.key) if way == "attached" else endpoint(agent, there)
        await house.enter_async_context(place)
        await known(here, "only", 1)
        before = await drains(here)
        async with loaded(mesh, "only") as load:
            await drain(mesh)
            assert await asyncio.to_thread(mesh.two.program.wait, PATIENCE) == 0
        assert load.failures == []
        assert {number: times for number, times in work.begun.items() if times > 1} == {}
        [instance] = (await here.agents.get("only")).instances
        assert instance.node == "one"
        assert await drains(here) - before == (drain is by_command)  # each look at how far it is would be one more


async def test_a_node_that_has_not_heard_where_an_endpoint_has_gone_refuses_no_call(
    mesh: Mesh, tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    """The node that drains takes the calls of others until they know better."""
    work = Work()
    async with AsyncExitStack() as house:
        free = {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url}  # the others are behind the line
        key, stack = mesh.one.key, house.enter_context(ExitStack())
        nodes = [await asyncio.to_thread(joined, stack, tmp_path / name, free, key) for name in ("three", "four")]
        there = await house.enter_async_context(MeshClient(nodes[1].address, key))
        here = await house.enter_async_context(MeshClient(mesh.one.address, key))
        place = await house.enter_async_context(MeshClient(",".join(node.address for node in nodes), key))
        await house.enter_async_context(endpoint(work.agent("only"), place, lease=3.0))
        await known(here, "only", 1)
        load = Load("only")
        async with MeshClient(mesh.one.address, key) as near, asyncio.TaskGroup() as tasks:
            running = tasks.create_task(load.run([near]))
            await load.more(20)
            mesh.postgres.hold()
            nodes[0].program.send(signal.SIGTERM)
            await moved(there, "only", "four")
            await load.more(2, streams=1)
            await mesh.postgres.restore()
            assert await asyncio.to_thread(nodes[0].program.wait, PATIENCE) == 0
            await load.more(20)
            load.stopped = True
            await running
        assert load.failures == []
        assert {number: times for number, times in work.begun.items() if times > 1} == {}


def joined(house: ExitStack, folder: Path, stores: dict[str, str], key: str) -> RunningNode:
    """A node that has the same development key."""
    folder.mkdir()
    (folder / "dev.key").write_text(key)
    (folder / "dev.key").chmod(0o600)
    return started(house, folder, stores)


async def moved(mesh: MeshClient, agent: str, node: str) -> None:
    """Wait until an agent is at a node, and nowhere else."""
    async with asyncio.timeout(PATIENCE):
        while [one.node for one in (await mesh.agents.get(agent)).instances] != [node]:  # noqa: ASYNC110
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("drain", [by_request, by_signal])
async def test_a_node_drains_while_postgres_is_away(mesh: Mesh, drain: Drain) -> None:
    """Agents cannot move then; those that have a copy elsewhere are served there."""
    work = Work()
    async with AsyncExitStack() as house:
        here = await house.enter_async_context(MeshClient(mesh.one.address, mesh.one.key))
        for node in (mesh.one, mesh.two):
            await house.enter_async_context(attached(work.agent("copied"), node.address, key=node.key))
        await known(here, "copied", 2)
        async with loaded(mesh, "copied") as load:
            mesh.postgres.cut()
            await drain(mesh)
            assert await asyncio.to_thread(mesh.two.program.wait, PATIENCE) == 0
        assert load.failures == []
        assert {number: times for number, times in work.begun.items() if times > 1} == {}
