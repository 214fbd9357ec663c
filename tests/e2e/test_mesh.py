"""A mesh of node processes on shared stores: any agent from any node, whatever dies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, suppress
from pathlib import Path

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint
from a2a_node.model.errors import CallLoop, MeshError
from a2a_node.model.nodes import NodeStatus
from tests.ample import AMPLE
from tests.e2e.nodes import RunningNode, mesh_node
from tests.integration.peer_agents import Work, worker

PATIENCE = 60.0
LEASE = 3
Stores = Mapping[str, str]


@pytest.fixture
def shared(postgres_url: str, redis_url: str) -> Stores:
    """The environment of all nodes of a mesh."""
    return {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url, "A2A_LEASE": str(LEASE)}


@pytest.fixture
def three(tmp_path: Path, shared: Stores) -> Iterator[list[RunningNode]]:
    """Three nodes."""
    with ExitStack() as house:
        yield [
            house.enter_context(mesh_node(tmp_path / name, shared, "--node-id", name))
            for name in ("one", "two", "three")
        ]


def steady(copy: str) -> Agent:
    """An agent with copies, whose work may be done again."""
    agent = Agent("steady")

    @agent.capability(idempotent=True, limit=AMPLE)
    async def ask(number: int) -> dict[str, object]:
        await asyncio.sleep(0.002)
        return {"number": number, "copy": copy}

    @agent.capability(idempotent=True, limit=AMPLE)
    async def count(n: int) -> AsyncIterator[dict[str, object]]:
        for number in range(n):
            await asyncio.sleep(0.002)
            yield {"number": number, "copy": copy}

    return agent


class Load:
    """Calls through one node, one after the other in several tasks, until it is told to stop."""

    def __init__(self, mesh: MeshClient) -> None:
        self._mesh = mesh
        self._stopped = False
        self.copies: Counter[str] = Counter()
        self.failures: list[MeshError] = []

    async def run(self, tasks: int = 8) -> None:
        """Ask until stopped."""
        await asyncio.gather(*(self._ask(task) for task in range(tasks)))

    def stop(self) -> None:
        """Ask no more."""
        self._stopped = True

    async def until(self, copy: str, calls: int) -> None:
        """Wait until a copy has answered so many more."""
        wanted = self.copies[copy] + calls
        async with asyncio.timeout(PATIENCE):
            while self.copies[copy] < wanted:  # noqa: ASYNC110 - the load itself is what goes on
                await asyncio.sleep(0.01)

    async def _ask(self, task: int) -> None:
        number = task
        while not self._stopped:
            try:
                answer = await self._mesh.call("steady", "ask", {"number": number}, timeout=PATIENCE)
            except MeshError as failure:
                self.failures.append(failure)
                continue
            assert isinstance(answer, dict)
            assert answer["number"] == number
            self.copies[str(answer["copy"])] += 1
            number += 8


async def rest_of(stream: AsyncIterator[object], said: list[object]) -> MeshError:
    """What a stream fails with, after all that it still says."""
    try:
        async for one in stream:
            said.append(one)  # noqa: PERF401 - what was said before the failure counts
    except MeshError as failure:
        return failure
    raise AssertionError("it did not fail")


async def known(mesh: MeshClient, agent: str, copies: int) -> None:
    """Wait until a node knows so many copies of an agent."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(MeshError):
                if len((await mesh.agents.get(agent)).instances) == copies:
                    return
            await asyncio.sleep(0.02)


async def status(mesh: MeshClient, node: str, wanted: NodeStatus) -> None:
    """Wait until a node stands like this in the eyes of another one."""
    async with asyncio.timeout(PATIENCE):
        while (await mesh.nodes.get(node)).node.status is not wanted:  # noqa: ASYNC110 - asked as an operator asks
            await asyncio.sleep(0.1)


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "stopped"])
async def test_a_node_that_dies_in_the_middle_of_calls_loses_none_that_may_be_repeated(
    three: list[RunningNode], sign: signal.Signals
) -> None:
    """They go to the copy on another node; the dead node is gone from the mesh once its lease is over."""
    one, two, other = three
    async with AsyncExitStack() as house:
        mesh = await house.enter_async_context(MeshClient(one.address, one.key))
        for copy, place in (("a", two), ("b", other)):
            await house.enter_async_context(attached(steady(copy), place.address, key=place.key))
        await known(mesh, "steady", 2)
        load = Load(mesh)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(load.run())
            await load.until("a", 50)
            await load.until("b", 50)
            os.kill(two.pid, sign)
            await load.until("b", 300)
            await status(mesh, "two", NodeStatus.GONE)
            await load.until("b", 50)
            load.stop()
        assert load.failures == []
        if sign is signal.SIGSTOP:
            os.kill(two.pid, signal.SIGCONT)  # it finds out that it is gone, and joins again with what it has
            await status(mesh, "two", NodeStatus.ALIVE)
            await known(mesh, "steady", 2)
            again = Load(mesh)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(again.run())
                await again.until("a", 20)
                again.stop()


async def test_a_stream_that_began_is_not_begun_again(three: list[RunningNode]) -> None:
    """What was said stays said; the failure has a name, and another call is served elsewhere."""
    one, two, other = three
    async with AsyncExitStack() as house:
        mesh = await house.enter_async_context(MeshClient(one.address, one.key))
        await house.enter_async_context(attached(steady("a"), two.address, key=two.key))
        await known(mesh, "steady", 1)
        numbers = mesh.stream("steady", "count", {"n": 100_000})
        assert await anext(numbers) == {"number": 0, "copy": "a"}
        await house.enter_async_context(attached(steady("b"), other.address, key=other.key))
        await known(mesh, "steady", 2)
        os.kill(two.pid, signal.SIGKILL)
        said: list[object] = []
        failure = await rest_of(numbers, said)
        assert failure.reason == "AGENT_LOST"
        assert said == [{"number": number + 1, "copy": "a"} for number in range(len(said))]
        assert [number async for number in mesh.stream("steady", "count", {"n": 1})] == [{"number": 0, "copy": "b"}]


async def test_a_chain_of_agents_over_three_nodes(three: list[RunningNode], tmp_path: Path, shared: Stores) -> None:
    """One path and one deadline; a loop is refused before its last agent works. A node that starts again is back."""
    works = {name: Work() for name in "abcde"}
    async with AsyncExitStack() as house:
        clients = [await house.enter_async_context(MeshClient(node.address, node.key)) for node in three]
        for number, (name, work) in enumerate(works.items()):
            node, client = three[number % 3], clients[number % 3]
            beside = endpoint(worker(name, work), client) if number == 3 else None
            await house.enter_async_context(beside or attached(worker(name, work), node.address, key=node.key))
        for client in clients:
            for name in works:
                await known(client, name, 1)
        answer = await clients[2].call("a", "hand_on", {"route": ["b", "c", "d", "e"]}, timeout=10)
        assert isinstance(answer, dict)
        assert answer["path"] == ["a", "b", "c", "d", "e"]
        assert 0 < answer["time_left"] < 10
        with pytest.raises(CallLoop):
            await clients[1].call("a", "hand_on", {"route": ["b", "c", "d", "a"]})
        assert works["a"].begun == 2
        os.kill(three[1].pid, signal.SIGKILL)
        three[1].program.end()
        with mesh_node(tmp_path / "two", shared, "--node-id", "two") as again:
            async with MeshClient(again.address, again.key) as client:
                assert await client.call("c", "say", {"text": "back"}) == {"text": "back"}
