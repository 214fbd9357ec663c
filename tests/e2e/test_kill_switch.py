"""The kill switch over three node processes: how soon it holds everywhere, under load, and what it stops."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from uuid import uuid4

import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint
from a2a_node.model.errors import Frozen, MeshError
from tests.ample import AMPLE
from tests.e2e.nodes import RunningNode, mesh_node
from tests.e2e.test_mesh import known

NODES = ("one", "two", "three")
PATIENCE = 60.0
PROMISE = 0.5  # seconds until every node refuses
FREEZES = 5  # the machine may be busy with other things during some of them
CALLERS = 4  # at each node


@dataclass(frozen=True, slots=True)
class House:
    """Three nodes, and a client of each."""

    nodes: Sequence[RunningNode]
    clients: Sequence[MeshClient]

    async def knows(self, *agents: str) -> None:
        """Wait until every node knows these agents."""
        for client in self.clients:
            for agent in agents:
                await known(client, agent, 1)


@pytest.fixture
def nodes(tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[list[RunningNode]]:
    """Three nodes of one mesh."""
    shared = {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url}
    with ExitStack() as house:
        yield [house.enter_context(mesh_node(tmp_path / name, shared, "--node-id", name)) for name in NODES]


@pytest.fixture
async def house(nodes: list[RunningNode]) -> AsyncIterator[House]:
    """The three nodes, with clients."""
    async with AsyncExitStack() as house:
        yield House(nodes, [await house.enter_async_context(MeshClient(node.address, node.key)) for node in nodes])


class Load:
    """Calls at every node, as fast as they are answered."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.admitted = [0.0 for _ in house.clients]  # at each node: when the last call was made that was let through
        self.refused = [0.0 for _ in house.clients]  # and when the last one was refused because of a freeze
        self.calls = 0

    async def run(self) -> None:
        """Call until this is cancelled."""
        places = range(len(self._house.clients))
        await asyncio.gather(*(self._call(place) for place in places for _ in range(CALLERS)))

    async def _call(self, place: int) -> None:
        while True:
            began = monotonic()
            try:
                await self._house.clients[place].call("steady", "ask")
            except Frozen:
                self.refused[place] = began
                await asyncio.sleep(0.005)  # whoever is refused asks again, though not at once
            else:
                self.admitted[place] = max(began, self.admitted[place])
            self.calls += 1

    async def until_all(self, times: list[float], after: float) -> None:
        """Wait until a call of each node that was made after that moment ended so."""
        async with asyncio.timeout(PATIENCE):
            while min(times) <= after:  # noqa: ASYNC110 - the load itself is what goes on
                await asyncio.sleep(0.01)


def steady() -> Agent:
    """An agent that answers."""
    agent = Agent("steady")

    @agent.capability(limit=AMPLE)
    async def ask() -> str:
        return "yes"

    return agent


async def test_every_node_refuses_within_half_a_second_under_load_and_lets_through_again(house: House) -> None:
    """From when the freeze is asked for, at any node: no call that is made later is let through by any of them."""
    delays: list[float] = []
    async with attached(steady(), house.nodes[1].address, key=house.nodes[1].key):
        await house.knows("steady")
        load = Load(house)
        running = asyncio.create_task(load.run())
        await load.until_all(load.admitted, 0.0)
        for number in range(FREEZES):
            switch = house.clients[number % len(house.clients)].freezes
            began = monotonic()
            frozen = await switch.freeze("agent:steady", "enough", wait=0)
            await load.until_all(load.refused, began)
            await load.until_all(load.refused, max(load.admitted))
            delays.append(max(load.admitted) - began)
            lifted = monotonic()
            await switch.unfreeze(frozen.freeze.id)
            await load.until_all(load.admitted, lifted)
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled(), running
    assert min(delays) <= PROMISE, delays


def waiting(name: str, begun: asyncio.Event, stopped: list[str]) -> Agent:
    """An agent that hands a call on, or waits for ever at the end of the route; it takes a moment to stop."""
    agent = Agent(name)

    @agent.capability
    async def hand_on(route: list[str], context: Context) -> object:
        try:
            if route:
                return await context.call(route[0], "hand_on", {"route": route[1:]})
            begun.set()
            return await asyncio.Event().wait()
        finally:
            try:
                await asyncio.sleep(0.2)
            finally:  # whatever else it hears meanwhile
                stopped.append(name)

    return agent


async def test_a_tree_that_is_frozen_in_its_middle_stops_at_all_nodes(house: House) -> None:
    """The node of its second agent is told; the answer says that each node has stopped what was at work there."""
    begun, stopped, root = asyncio.Event(), list[str](), str(uuid4())
    async with AsyncExitStack() as agents:
        for node, client, name in zip(house.nodes, house.clients, "abc", strict=True):
            agent = waiting(name, begun, stopped)
            beside = endpoint(agent, client) if name == "c" else attached(agent, node.address, key=node.key)
            await agents.enter_async_context(beside)
        await house.knows("a", "b", "c")
        call = asyncio.create_task(
            house.clients[0].call("a", "hand_on", {"route": ["b", "c"]}, call_id=root, timeout=PATIENCE)
        )
        async with asyncio.timeout(PATIENCE):
            await begun.wait()
        frozen = await house.clients[1].freezes.freeze(f"call:{root}", "wrong tree", wait=30)
        assert sorted(stopped) == ["a", "b", "c"]
        said = {node.node: (node.enforced, node.stopped, node.stopping) for node in frozen.nodes}
        assert said == dict.fromkeys(NODES, (True, 1, 0))
        with pytest.raises(MeshError):
            await call
