"""The kill switch over three node processes: how soon it holds everywhere, under load, and what it stops."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from statistics import median
from time import monotonic
from uuid import uuid4

import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.endpoint import endpoint
from a2a_node.model.errors import CallTokenInvalid, Frozen, MeshError, RateLimited
from tests.ample import AMPLE
from tests.corners import Corner
from tests.e2e.nodes import RunningNode, mesh_node
from tests.e2e.test_keys import run
from tests.e2e.test_mesh import known

NODES = ("one", "two", "three")
PATIENCE = 60.0
PROMISE = 0.5  # seconds until every node refuses
FREEZES = 5  # the machine may be busy with other things during some of them
CALLERS = 4  # at each node
Ask = Callable[[], Awaitable[object]]
Said = Mapping[str, tuple[bool, int, int]]  # by node: whether it refuses, how many calls are stopped and stopping


@dataclass(frozen=True, slots=True)
class House:
    """Three nodes, and at each a client of the developer's and one of Kim's, whom no other test knows."""

    nodes: Sequence[RunningNode]
    clients: Sequence[MeshClient]
    kim: str
    kims: Sequence[MeshClient]

    async def knows(self, *agents: str) -> None:
        """Wait until every node knows these agents."""
        for client in self.clients:
            for agent in agents:
                await known(client, agent, 1)


@pytest.fixture(scope="module")
def nodes(corner: Corner, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[RunningNode]]:
    """Three nodes of one mesh, for all tests here."""
    folder = tmp_path_factory.mktemp("frozen")
    with ExitStack() as house:
        yield [house.enter_context(mesh_node(folder / name, corner.environ, "--node-id", name)) for name in NODES]


@pytest.fixture
async def house(nodes: list[RunningNode]) -> AsyncIterator[House]:
    """The three nodes, with clients."""
    async with AsyncExitStack() as house:
        clients = [await house.enter_async_context(MeshClient(node.address, node.key)) for node in nodes]
        kim = f"person:kim-{uuid4().hex}"
        key = (await clients[0].keys.create(principal=kim)).secret
        await clients[0].grants.give(kim, "agent:*:invoke")
        kims = [await house.enter_async_context(MeshClient(node.address, key)) for node in nodes]
        for client in kims:
            await admitted(client)
        yield House(nodes, clients, kim, kims)


async def admitted(mesh: MeshClient) -> None:
    """Wait until a node knows somebody's key and grant, which another one has made."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(MeshError):
                await mesh.call("echo", "say", {"text": "hello"})
                return


class Load:
    """Calls at every node, as fast as they are answered."""

    def __init__(self, asks: Sequence[Ask]) -> None:
        self._asks = asks  # one for each node
        self.admitted = [0.0 for _ in asks]  # at each node: when the last call was made that was let through
        self.refused = [0.0 for _ in asks]  # and when the last one was refused because of a freeze
        self.calls = 0

    async def run(self) -> None:
        """Call until this is cancelled."""
        await asyncio.gather(*(self._call(place) for place in range(len(self._asks)) for _ in range(CALLERS)))

    async def _call(self, place: int) -> None:
        while True:
            began = monotonic()
            try:
                await self._asks[place]()
            except (Frozen, CallTokenInvalid):  # a call that was stopped has no children any more
                self.refused[place] = began
                await asyncio.sleep(0.005)  # whoever is refused asks again, though not at once
            except RateLimited:  # a busy node missed Redis: neither let through nor refused because of a freeze
                await asyncio.sleep(0.005)
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


class Tree:
    """Calls that are handed on from node to node, by an agent at each, and stay at the last one."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.stopped: list[str] = []
        self.contexts: list[Context] = []

    @asynccontextmanager
    async def planted(self, house: House) -> AsyncIterator[None]:
        """The agents."""
        async with AsyncExitStack() as agents:
            for node, client, name in zip(house.nodes, house.clients, "abc", strict=True):
                agent = self._agent(name)
                beside = endpoint(agent, client) if name == "c" else attached(agent, node.address, key=node.key)
                await agents.enter_async_context(beside)
            await house.knows("a", "b", "c")
            yield

    @asynccontextmanager
    async def standing(self, caller: MeshClient) -> AsyncIterator[str]:
        """One call, once its last agent is at work: its id. It ends frozen."""
        self.begun.clear()
        self.stopped.clear()
        self.contexts.clear()
        root = str(uuid4())
        call = asyncio.ensure_future(caller.call("a", "hand_on", {"route": ["b", "c"]}, call_id=root, timeout=PATIENCE))
        async with asyncio.timeout(PATIENCE):
            await self.begun.wait()
        yield root
        with pytest.raises(Frozen, match="enough"):
            await call

    def _agent(self, name: str) -> Agent:
        """An agent that hands a call on, or waits for ever at the end of the route; it takes a moment to stop."""
        agent = Agent(name)

        @agent.capability
        async def hand_on(route: list[str], context: Context) -> object:
            self.contexts.append(context)
            try:
                if route:
                    return await context.call(route[0], "hand_on", {"route": route[1:]})
                self.begun.set()
                return await asyncio.Event().wait()
            finally:
                try:
                    await asyncio.sleep(0.2)
                finally:  # whatever else it hears meanwhile
                    self.stopped.append(name)

        return agent


@pytest.mark.parametrize("whole", [False, True], ids=["agent", "principal"])
async def test_every_node_refuses_within_half_a_second_under_load_and_lets_through_again(
    house: House,
    whole: bool,  # noqa: FBT001
) -> None:
    """From when the freeze is asked for, at any node: no call that is made later is let through by any of them."""
    delays: list[float] = []
    async with attached(steady(), house.nodes[1].address, key=house.nodes[1].key):
        await house.knows("steady")
        load = Load([partial(client.call, "steady", "ask") for client in (house.kims if whole else house.clients)])
        running = asyncio.create_task(load.run())
        await load.until_all(load.admitted, 0.0)
        for number in range(FREEZES):
            switch = house.clients[number % len(house.clients)].freezes
            began = monotonic()
            frozen = await switch.freeze(house.kim if whole else "agent:steady", "enough", wait=0)
            await load.until_all(load.refused, began)
            await load.until_all(load.refused, max(load.admitted))
            delays.append(max(load.admitted) - began)
            lifted = monotonic()
            await switch.unfreeze(frozen.freeze.id)
            await load.until_all(load.admitted, lifted)
        running.cancel()
        await asyncio.wait([running])
    assert running.cancelled(), running
    assert median(delays) <= PROMISE, delays


async def test_nothing_is_added_to_a_frozen_tree_after_half_a_second(house: House) -> None:
    """By any of its agents, at any node, though they go on asking."""
    delays: list[float] = []
    tree = Tree()
    async with attached(steady(), house.nodes[1].address, key=house.nodes[1].key), tree.planted(house):
        await house.knows("steady")
        for number in range(FREEZES):
            async with tree.standing(house.clients[0]) as root:
                load = Load([partial(context.call, "steady", "ask") for context in tree.contexts])
                running = asyncio.create_task(load.run())
                await load.until_all(load.admitted, 0.0)
                began = monotonic()
                await house.clients[number % len(house.clients)].freezes.freeze(f"call:{root}", "enough", wait=0)
                await load.until_all(load.refused, began)
                await load.until_all(load.refused, max(load.admitted))
                delays.append(max(load.admitted) - began)
                running.cancel()
                await asyncio.wait([running])
                assert running.cancelled(), running
    assert median(delays) <= PROMISE, delays


async def by_client(house: House, what: str) -> Said:
    """Freeze it at the second node; what the nodes say."""
    frozen = await house.clients[1].freezes.freeze(what, "enough", wait=30)
    return {node.node: (node.enforced, node.stopped, node.stopping) for node in frozen.nodes}


async def by_command(house: House, what: str) -> Said:
    """The same from a shell."""
    words = ("freeze", what, "--reason", "enough", "--wait", "30", "--json")
    done = await asyncio.to_thread(run, house.nodes[1].environ, *words)
    said = json.loads(done.stdout)["nodes"]
    return {node["node"]: (node["enforced"], node["stopped"], node["stopping"]) for node in said}


@pytest.mark.parametrize("whole", [False, True], ids=["tree", "principal"])
@pytest.mark.parametrize("freeze", [by_client, by_command])
async def test_a_tree_that_is_frozen_in_its_middle_stops_at_all_nodes(
    house: House,
    freeze: Callable[[House, str], Awaitable[Said]],
    whole: bool,  # noqa: FBT001
) -> None:
    """By its root or by who began it; the answer says that each node has stopped what was at work there."""
    tree = Tree()
    async with tree.planted(house):
        async with tree.standing(house.kims[0]) as root:
            said = await freeze(house, house.kim if whole else f"call:{root}")
            assert sorted(tree.stopped) == ["a", "b", "c"]
            assert said == dict.fromkeys(NODES, (True, 1, 0))
        assert await house.clients[2].call("echo", "say", {"text": "others"}) == {"text": "others"}
