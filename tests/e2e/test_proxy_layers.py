"""An agent's own gRPC service on two real nodes: what stands around calls stands around those passed through, too."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import grpc
import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient, registered
from a2a_node.model.errors import NoInstance, PermissionDenied
from a2a_node.model.limits import LimitKey, Rate
from a2a_node.model.names import fresh_uuid
from a2amesh.v1 import agent_service_pb2 as pb
from tests.e2e.figures import figure
from tests.e2e.mesh_nodes import Nodes
from tests.e2e.nodes import RunningNode
from tests.e2e.processes import Program
from tests.e2e.test_mesh import known
from tests.e2e.test_streams import PATIENCE
from tests.integration.orders_agent import SERVICE, OrdersAgent, Stub, item_of, order, serving
from tests.integration.orders_house import ORDERS, failed, named, naming
from tests.ports import free_port

AtWork = tuple[tuple[str, str], ...]  # what a call says that continues another one
LEASE = 600  # seconds: a copy that died is not forgotten during a test
SLOW = 0.001  # tokens a second: none grows during a test


@dataclass(frozen=True)
class House:
    """Two nodes and their clients; the agent `orders`, where there is one, is registered with the other one."""

    here: MeshClient
    there: MeshClient
    nodes: tuple[RunningNode, RunningNode]
    key: str

    def at(self, place: str) -> tuple[MeshClient, str]:
        """A node's client and address: `here` or `there`."""
        return (self.here, self.nodes[0].address) if place == "here" else (self.there, self.nodes[1].address)


@pytest.fixture
async def house(nodes: Nodes) -> AsyncIterator[House]:
    """Both nodes, and nobody registered."""
    one, two = [await asyncio.to_thread(nodes.start) for _ in range(2)]
    async with (
        MeshClient(one.address, nodes.key) as here,
        MeshClient(two.address, nodes.key) as there,
        asyncio.timeout(PATIENCE),
    ):
        yield House(here, there, (one, two), nodes.key)


@asynccontextmanager
async def orders(house: House) -> AsyncIterator[OrdersAgent]:
    """The agent beside the other node, once this one knows it."""
    async with serving() as agent, registered(ORDERS, house.there, f"127.0.0.1:{agent.port}"):
        await known(house.here, "orders", 1)
        yield agent


async def said(call: Awaitable[object]) -> str:
    """What became of a call: `answered`, or the reason that it was refused for."""
    try:
        await call
    except grpc.aio.AioRpcError as failure:
        return named(failure).reason
    return "answered"


def asker() -> Agent:
    """An agent that asks `orders` at work, by its own service."""
    agent = Agent("asker")

    @agent.capability
    async def ask(address: str, key: str, times: int, tokens: int, context: Context) -> dict[str, int]:
        async with grpc.aio.insecure_channel(address) as channel:
            stub, at_work = Stub(channel), (*naming(key), ("a2a-call-token", context.token))
            ended = [await said(stub.place(order("spend", tokens), metadata=at_work)) for _ in range(times)]
        return dict(Counter(ended))

    return agent


@pytest.mark.parametrize("place", ["here", "there"])
@pytest.mark.parametrize(
    ("budget", "tokens", "answered"),
    [({"calls": 2}, 1, 2), ({"tokens": 100, "calls": 9}, 40, 3)],
    ids=["calls", "tokens"],
)
async def test_a_budget_that_is_used_up_is_refused(
    house: House, place: str, budget: dict[str, int], tokens: int, answered: int
) -> None:
    """With its reason, and before the service is asked; what the service says that it has used counts."""
    mesh, address = house.at(place)
    async with orders(house) as agent, attached(asker(), address, key=house.key):
        await known(mesh, "asker", 1)
        call_id, asked = fresh_uuid(), {"address": address, "key": house.key, "times": 5, "tokens": tokens}
        ended = await mesh.call("asker", "ask", asked, budget=budget, call_id=call_id)
        assert ended == {"answered": answered, "BUDGET_EXHAUSTED": 5 - answered}
        assert agent.calls == answered
        used = (await mesh.get_call(call_id)).used
        assert used == {unit: {"calls": answered, "tokens": answered * tokens}[unit] for unit in budget}


def by_service(channel: grpc.aio.Channel, at_work: AtWork) -> Awaitable[object]:
    """Ask `orders` by its own service."""
    return Stub(channel).place(order("tea"), metadata=(*at_work, ("a2a-agent", "orders")))


def by_capability(channel: grpc.aio.Channel, at_work: AtWork) -> Awaitable[object]:
    """Ask `chain`, who has asked `orders`."""
    invoke: grpc.aio.UnaryUnaryMultiCallable[pb.InvokeRequest, bytes]
    invoke = channel.unary_unary("/a2amesh.v1.AgentService/Invoke", pb.InvokeRequest.SerializeToString, None)
    return invoke(pb.InvokeRequest(agent="chain", capability="begin"), metadata=at_work)


@pytest.mark.parametrize("back", [by_service, by_capability])
@pytest.mark.parametrize("place", ["here", "there"])
async def test_a_circle_is_refused(
    house: House, place: str, back: Callable[[grpc.aio.Channel, AtWork], Awaitable[object]]
) -> None:
    """Whoever works on a call already is not asked again by what it has led to, wherever it came in."""
    (mesh, address), (_, own) = house.at(place), house.at("there")
    chain, begun = Agent("chain"), list[str]()

    @chain.capability
    async def begin(context: Context) -> dict[str, str]:
        begun.append(context.call_id)
        async with grpc.aio.insecure_channel(address) as channel:
            at_work = (*naming(house.key), ("a2a-call-token", context.token))
            return {"heard": item_of(await Stub(channel).place(order("ask on"), metadata=at_work))}

    async def ask_on(token: str) -> str:
        async with grpc.aio.insecure_channel(own) as channel:  # of its own node, which knows its call token
            at_work = (("authorization", f"Bearer {house.key}"), ("a2a-call-token", token))
            return await said(back(channel, at_work))

    async with orders(house) as agent, attached(chain, address, key=house.key):
        agent.ask_on = ask_on
        for client in (house.here, house.there):
            await known(client, "chain", 1)
        assert await mesh.call("chain", "begin") == {"heard": "CALL_LOOP"}
        assert (len(begun), agent.calls) == (1, 1)


class Copy:
    """A copy of `orders` in a process of its own, at a port that stays the same."""

    def __init__(self) -> None:
        self.address = f"127.0.0.1:{free_port()}"
        self._program: Program | None = None

    async def start(self) -> None:
        """Serve, and wait until it does."""
        self._program = Program((sys.executable, "-m", "tests.integration.orders_agent", self.address))
        await asyncio.to_thread(self._program.line, r"^\d+$")

    async def die(self) -> None:
        """Kill -9, unless it is dead."""
        if self._program is not None:
            await asyncio.to_thread(self._program.end, signal.SIGKILL)


@asynccontextmanager
async def copies(house: House, *places: str) -> AsyncIterator[list[Copy]]:
    """Copies of `orders`, one registered with each of these nodes for longer than a test takes."""
    async with AsyncExitStack() as stack:
        made = [Copy() for _ in places]
        for copy, place in zip(made, places, strict=True):
            stack.push_async_callback(copy.die)
            await copy.start()
            mesh, _ = house.at(place)
            _, instance = await mesh.agents.register(ORDERS, copy.address, LEASE)
            stack.push_async_callback(mesh.agents.deregister, instance_id=instance.id)
        await known(house.here, "orders", len(places))
        yield made


async def until(stub: Stub, wanted: str) -> Counter[str]:
    """Call until that comes of it; what came of the calls."""
    ended: Counter[str] = Counter()
    while not ended[wanted]:
        ended[await said(stub.place(order("tea"), timeout=PATIENCE))] += 1
        await asyncio.sleep(0.05)
    return ended


@pytest.mark.parametrize("place", ["here", "there"])
async def test_a_service_that_died_is_asked_no_more_until_it_is_back(house: House, place: str) -> None:
    """Calls go to the other copy, wherever that is; without one they are refused and told why, and then it is back."""
    async with copies(house, "there", place) as (other, dies):
        stub, ended = Stub(house.here.through("orders")), Counter[str]()
        assert await said(stub.place(order("tea"))) == "answered"
        await dies.die()
        while not await figure(house.nodes[0], "a2a_breaker_openings_total") or ended.total() < 40:
            ended[await said(stub.place(order("tea")))] += 1
        assert ended["answered"] + min(ended["AGENT_LOST"], 1) == ended.total()  # sent in the moment in which it died
        await other.die()
        assert set(await until(stub, "NO_INSTANCE")) <= {"answered", "AGENT_LOST", "NO_INSTANCE"}
        await dies.start()
        assert set(await until(stub, "answered")) <= {"answered", "AGENT_LOST", "NO_INSTANCE"}
        assert {await said(stub.place(order("tea"))) for _ in range(20)} == {"answered"}


async def test_what_a_service_worked_on_when_it_died_is_told(house: House) -> None:
    """As lost; the next call is refused without asking it, and answered once it is back."""
    async with copies(house, "there") as (copy,):
        stub = Stub(house.here.through("orders"))
        watches = [stub.watch(order("silent"), timeout=PATIENCE) for _ in range(20)]
        for watch in watches:
            assert ("first", "1") in [(name, value) for name, value in await watch.initial_metadata() or ()]
        await copy.die()
        assert [named(await failed(watch)).reason for watch in watches] == ["AGENT_LOST"] * 20
        refused = named(await failed(stub.place(order("tea"))))
        assert isinstance(refused, NoInstance)
        assert refused.retry_after is not None
        await copy.start()
        await until(stub, "answered")


async def test_who_may_not_call_the_agent_is_refused(house: House) -> None:
    """At the node that is asked; a grant lets them in, and its end ends what runs on it."""
    kim, invoke = "person:kim", "agent:orders:invoke"
    secret = (await house.here.keys.create("kim", principal=kim)).secret
    async with orders(house) as agent, MeshClient(house.nodes[0].address, secret) as mesh:
        stub = Stub(mesh.through("orders"))
        refused = named(await failed(stub.place(order("tea"))))
        assert isinstance(refused, PermissionDenied)
        assert refused.variables["permission"] == invoke
        grant = await house.here.grants.give(kim, invoke, conditions=[f"call.capability == '{SERVICE}/Place'"])
        assert set(await until(stub, "answered")) <= {"answered", "PERMISSION_DENIED"}  # until both nodes know it
        assert isinstance(named(await failed(stub.watch(order("tea", 1)))), PermissionDenied)
        waiting = asyncio.ensure_future(failed(stub.place(order("wait"), timeout=PATIENCE)))
        await agent.begun.wait()
        await house.here.grants.revoke(grant.id)
        assert isinstance(named(await waiting), PermissionDenied)
        await agent.cancelled.wait()
        assert isinstance(named(await failed(stub.place(order("tea")))), PermissionDenied)
        assert agent.calls == 2


async def test_a_limit_holds_over_both_nodes(house: House) -> None:
    """Whichever is asked: no more pass than the bucket has."""
    burst, key = 3, LimitKey(agent="orders")
    async with orders(house) as agent:
        await house.here.limits.set(SLOW, burst, key)
        while (await house.there.limits.get(key)).limit.rate != Rate(SLOW, burst):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
        stubs = [Stub(mesh.through("orders")) for mesh in (house.here, house.there)]
        calls = [stub.place(order("tea")) for _ in range(10) for stub in stubs]
        ended = Counter(await asyncio.gather(*map(said, calls)))
        # a busy machine may hear nothing of Redis in time, and then admits fewer
        assert ended["answered"] == agent.calls <= burst
        assert ended["RATE_LIMITED"] == 20 - agent.calls
        await house.here.limits.set(1000, 1000, key)
        await until(stubs[1], "answered")
