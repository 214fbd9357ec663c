"""The budget of retries on real nodes: a mesh in which everything fails is not asked three times for every call."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic

import pytest

from a2a_node.agent import Agent, AgentRefused
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import MeshError
from a2a_node.model.names import fresh_uuid
from tests.ample import AMPLE
from tests.e2e.figures import figure
from tests.e2e.mesh_nodes import Nodes
from tests.e2e.nodes import RunningNode
from tests.e2e.test_mesh import known

PATIENCE = 180.0
SHARE, FLOOR = 0.2, 10  # of all calls, and what there is always; one of these comes back each second
CALLS = 500
LONG = "60"  # seconds: a node that dies is not counted out during a test
ALWAYS = 1 << 30
CLOSED = "UNAVAILABLE SHOP_CLOSED"


class Shop:
    """An agent whose copies all fail together, as often as they are told to, and how often they were asked."""

    def __init__(self) -> None:
        self.tries = 0
        self.refusals = 0  # of each call, until it is answered
        self._asked: dict[str, int] = {}

    def agent(self) -> Agent:
        """One copy."""
        shop = Agent("shop")
        shop.capability(idempotent=True, limit=AMPLE)(self.look)
        shop.capability(limit=AMPLE)(self.buy)
        return shop

    async def look(self, call: str) -> str:
        """Work that may be done again."""
        return self._serve(call)

    async def buy(self, call: str) -> str:
        """Work that may be done again under a key."""
        return self._serve(call)

    def _serve(self, call: str) -> str:
        self.tries += 1
        self._asked[call] = self._asked.get(call, 0) + 1
        if self._asked[call] <= self.refusals:
            raise AgentRefused("come back later", code="UNAVAILABLE", reason="SHOP_CLOSED")
        return call


class Customers:
    """Calls through one node, sixteen at a time, and what came of them."""

    def __init__(self, mesh: MeshClient, capability: str) -> None:
        self._mesh, self._capability = mesh, capability
        self.began = monotonic()

    async def ask(self, calls: int) -> list[str]:
        """What so many calls ended with: `answered`, or how they failed."""
        room = asyncio.Semaphore(16)

        async def one() -> str:
            async with room:
                return await self._one()

        return await asyncio.gather(*(one() for _ in range(calls)))

    def allowed(self, calls: int) -> float:
        """Retries of so many calls at most, since these customers came."""
        return SHARE * calls + FLOOR + monotonic() - self.began

    async def _one(self) -> str:
        call = fresh_uuid()
        key = call if self._capability == "buy" else ""
        try:
            said = await self._mesh.call("shop", self._capability, {"call": call}, timeout=60, idempotency_key=key)
        except MeshError as failure:
            return f"{failure.code} {failure.reason}"
        assert said == {"result": call}
        return "answered"


@asynccontextmanager
async def open_shop(nodes: Nodes) -> AsyncIterator[tuple[Shop, MeshClient, list[RunningNode]]]:
    """A shop at two nodes, a client of a third one, and all three nodes, that one first."""
    shop, three = Shop(), [nodes.start(A2A_LEASE=LONG) for _ in range(3)]
    async with AsyncExitStack() as house:
        for node in three[1:]:
            await house.enter_async_context(attached(shop.agent(), node.address, key=nodes.key))
        mesh = await house.enter_async_context(MeshClient(three[0].address, nodes.key))
        await house.enter_async_context(asyncio.timeout(PATIENCE))
        await known(mesh, "shop", 2)
        yield shop, mesh, three


async def retries(node: RunningNode, result: str) -> float:
    """What a node's figures say of its retries."""
    return await figure(node, f'a2a_retries_total{{result="{result}"}}')


@pytest.mark.parametrize("capability", ["look", "buy"], ids=["idempotent", "with a key"])
async def test_a_mesh_in_which_everything_fails_is_asked_little_more_than_once(nodes: Nodes, capability: str) -> None:
    """Its agents see a fifth more tries than calls; callers get the failure; what succeeds pays for retries again."""
    async with open_shop(nodes) as (shop, mesh, (here, *_)):
        customers = Customers(mesh, capability)
        shop.refusals = ALWAYS
        assert set(await customers.ask(CALLS)) == {CLOSED}
        again = shop.tries - CALLS
        assert SHARE * CALLS <= again <= customers.allowed(CALLS)
        assert await retries(here, "again") == again
        assert await retries(here, "unpaid") > 0

        shop.refusals = 1
        ended = await customers.ask(100)
        assert ended.count("answered") <= customers.allowed(CALLS + 100) - again
        assert ended.count("answered") + ended.count(CLOSED) == 100

        shop.refusals = 0
        assert set(await customers.ask(300)) == {"answered"}
        shop.refusals = 1
        assert set(await customers.ask(50)) == {"answered"}


async def test_nodes_that_all_died_are_not_asked_for_every_call(nodes: Nodes) -> None:
    """Callers are told at once and every time; tries of earlier calls stay within the budget."""
    async with open_shop(nodes) as (shop, mesh, (here, *others)):
        customers = Customers(mesh, "look")
        assert set(await customers.ask(10)) == {"answered"}
        for node in others:
            os.kill(node.pid, signal.SIGKILL)
        ended = set(await customers.ask(CALLS))
        assert ended <= {f"UNAVAILABLE {reason}" for reason in ("AGENT_LOST", "NODE_UNREACHABLE", "NO_INSTANCE")}
        assert shop.tries == 10
        assert await retries(here, "again") <= customers.allowed(CALLS + 10)
