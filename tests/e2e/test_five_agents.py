"""A chain of five agents over three nodes with one trace, one deadline and one budget; loops, refused before any work.

The agents are of every kind and in three languages; every call between them goes to another node.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TypedDict, cast
from uuid import uuid4

import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import BudgetExhausted, CallLoop
from a2a_node.model.trace import Trace
from tests.corners import Corner
from tests.e2e.five_agents import TOKENS
from tests.e2e.foreign import in_go, in_typescript
from tests.e2e.nodes import RunningNode, mesh_node
from tests.e2e.processes import Program
from tests.e2e.test_mesh import known
from tests.e2e.test_tracing import inside, line
from tests.integration.receiver import Receiver, Seen

NODES = ("one", "two", "three")
ROUTE = ["five-hosted", "relay-go", "five-attached", "relay-typescript", "five-endpoint"]
WITHIN = 20.0  # seconds that the client waits
LINE = [  # where each span of the chain is made, from the outermost on; programs in Go and TypeScript make none here
    *(("three", "Invoke"), ("three", "call five-hosted/relay"), ("one", "Invoke"), ("one", "work five-hosted/relay")),
    *(("one", "Invoke"), ("one", "call relay-go/relay"), ("two", "Invoke"), ("two", "call relay-go/relay")),
    *(
        ("two", "Invoke"),
        ("two", "call five-attached/relay"),
        ("three", "Invoke"),
        ("three", "call five-attached/relay"),
    ),
    *(("five-attached", "work five-attached/relay"), ("five-attached", "Invoke")),
    *(("three", "Invoke"), ("three", "call relay-typescript/relay")),
    *(("one", "Invoke"), ("one", "call relay-typescript/relay")),
    *(("one", "Invoke"), ("one", "call five-endpoint/relay")),
    *(("two", "Invoke"), ("two", "call five-endpoint/relay"), ("five-endpoint", "work five-endpoint/relay")),
]


class Stop(TypedDict):
    """One agent that a text came by."""

    agent: str
    language: str
    path: list[str]
    seconds_left: float


@dataclass(frozen=True, slots=True)
class House:
    """Three nodes, what they have told of their spans, and a client of each."""

    nodes: Sequence[RunningNode]
    receiver: Receiver
    clients: Sequence[MeshClient]

    async def relayed(self, route: Sequence[str], trace: Trace, call_id: str, **budget: int) -> list[Stop]:
        """Hand a text along a route from the third node, in that trace; everybody's stop."""
        with inside(trace):
            answer = await self.clients[2].call(
                route[0],
                "relay",
                {"route": [*route[1:]], "text": "hello"},
                timeout=WITHIN,
                call_id=call_id,
                budget=budget,
            )
        return cast("list[Stop]", cast("dict[str, object]", answer)["stops"])

    async def used(self, call_id: str) -> Mapping[str, int]:
        """What the tree of that root has used."""
        return (await self.clients[2].get_call(call_id)).used or {}


def fresh() -> Trace:
    """A trace that nobody else is in."""
    return Trace(uuid4().int, 5, sampled=True)


@pytest.fixture(scope="module")
def nodes(corner: Corner, tmp_path_factory: pytest.TempPathFactory, receiver: Receiver) -> Iterator[list[RunningNode]]:
    """Three nodes of one mesh that trace, for all tests here; the first one hosts the first agent."""
    shared, folder = {**corner.environ, "A2A_TRACE_ENDPOINT": receiver.address}, tmp_path_factory.mktemp("five")
    with ExitStack() as house:
        yield [
            house.enter_context(
                mesh_node(
                    folder / name,
                    shared,
                    *("--node-id", name),
                    *(("--agent", "tests.e2e.five_agents:hosted") if name == "one" else ()),
                )
            )
            for name in NODES
        ]


@pytest.fixture
async def house(nodes: list[RunningNode], receiver: Receiver) -> AsyncIterator[House]:
    """The three nodes, with clients."""
    async with AsyncExitStack() as house:
        clients = [await house.enter_async_context(MeshClient(node.address, node.key)) for node in nodes]
        yield House(nodes, receiver, clients)


@pytest.fixture(scope="module")
def agents(
    nodes: list[RunningNode], receiver: Receiver, go_examples: Path, typescript_examples: Path
) -> Iterator[None]:
    """All five agents at work: a hosted one, one in Go, an attached one, one in TypeScript, one at an endpoint."""
    with ExitStack() as programs:
        for kind, place in (("attached", 2), ("endpoint", 1)):
            command = (sys.executable, "-m", "tests.e2e.five_agents", kind, receiver.address)
            programs.enter_context(Program(command, nodes[place].environ)).line("ready")
        programs.enter_context(in_go(go_examples).attached(nodes[1]))
        programs.enter_context(in_typescript(typescript_examples).attached(nodes[0]))
        yield


@pytest.fixture
async def five(house: House, agents: None) -> House:  # noqa: ARG001 - they are at work
    """The three nodes, once each knows all five agents."""
    for client in house.clients:
        for name in ROUTE:
            await known(client, name, 1)
    return house


async def test_five_agents_over_three_nodes_with_one_trace_one_deadline_and_one_budget(five: House) -> None:
    """All spans are one line from the client's on, nobody has more time than who called, the root knows all costs."""
    trace, call_id = fresh(), str(uuid4())
    stops = await five.relayed(ROUTE, trace, call_id, calls=4, tokens=1000)

    assert [(stop["agent"], stop["path"]) for stop in stops] == [
        (name, ROUTE[: place + 1]) for place, name in enumerate(ROUTE)
    ]
    assert [stop["language"] for stop in stops] == ["python", "go", "python", "typescript", "python"]

    left = [WITHIN, *(stop["seconds_left"] for stop in stops)]
    assert all(before > after > 0 for before, after in pairwise(left)), left

    assert await five.used(call_id) == {"calls": 4, "tokens": sum(TOKENS.values())}

    await five.receiver.until(lambda spans: len(line(spans, trace.trace_id)) == len(LINE))
    spans = line(five.receiver.spans, trace.trace_id)
    assert [(place_of(span), span.name.removeprefix("a2amesh.v1.AgentService/")) for span in spans] == LINE
    assert {span.code for span in spans} == {"UNSET"}


async def test_a_budget_ends_a_chain_at_the_call_that_it_does_not_allow(five: House) -> None:
    """The fifth agent does not begin, and the root knows what the four have used."""
    trace, call_id = fresh(), str(uuid4())
    with pytest.raises(BudgetExhausted):
        await five.relayed(ROUTE, trace, call_id, calls=3, tokens=1000)
    assert await five.used(call_id) == {"calls": 3, "tokens": TOKENS["five-hosted"] + TOKENS["five-attached"]}


async def test_what_its_agents_spend_ends_a_chain_as_well(five: House) -> None:
    """Eighteen tokens are spent by the third agent: the fourth one does not begin."""
    trace, call_id = fresh(), str(uuid4())
    with pytest.raises(BudgetExhausted):
        await five.relayed(ROUTE, trace, call_id, calls=4, tokens=18)
    assert await five.used(call_id) == {"calls": 2, "tokens": 18}


async def test_a_loop_that_nobody_declared_is_refused_before_its_agent_works_again(five: House) -> None:
    """By the path that has come through three nodes, two languages and an agent in the node's own process."""
    trace, call_id = fresh(), str(uuid4())
    loop = ["five-hosted", "relay-go", "five-attached", "five-hosted"]
    with pytest.raises(CallLoop) as refused:
        await five.relayed(loop, trace, call_id, tokens=1000)
    assert refused.value.variables == {"agent": "five-hosted", "path": " > ".join(loop)}
    assert await five.used(call_id) == {"tokens": TOKENS["five-hosted"] + TOKENS["five-attached"]}


def declares(name: str, then: str, works: list[str]) -> Agent:
    """An agent that says whom it calls, and notes its work."""
    agent = Agent(name)

    @agent.capability(calls=[then])
    async def ask(context: Context) -> object:
        works.append(name)
        return await context.call(then, "ask")

    return agent


async def test_a_declared_loop_through_three_nodes_is_refused_before_any_agent_works(house: House) -> None:
    """At whichever node and agent it is entered."""
    works: list[str] = []
    async with AsyncExitStack() as agents:
        for node, name, then in zip(house.nodes, ("a", "b", "c"), ("b", "c", "a"), strict=True):
            await agents.enter_async_context(attached(declares(name, then, works), node.address, key=node.key))
        for client in house.clients:
            for name in ("a", "b", "c"):
                await known(client, name, 1)
            for loop in ("a > b > c > a", "b > c > a > b", "c > a > b > c"):
                with pytest.raises(CallLoop) as refused:
                    await client.call(loop[0], "ask")
                assert refused.value.variables == {"agent": loop[0], "path": loop}
    assert works == []


def place_of(span: Seen) -> object:
    """The node that made a span, or the agent in whose process it was made."""
    return span.resource["service.instance.id"] if span.service == "a2a-node" else span.service
