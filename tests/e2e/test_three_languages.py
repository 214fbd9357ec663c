"""Agents in three languages that call each other in a chain through one node."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict, cast

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import CallLoop, DeadlineExceeded
from tests.e2e.foreign import in_go, in_typescript
from tests.e2e.nodes import RunningNode
from tests.e2e.processes import Program
from tests.e2e.tools import ROOT

ROUNDED = 1.01  # on the wire gRPC writes timeouts with two or three digits, rounded up
CHAIN = ["relay-hosted", "relay-go", "relay-typescript", "relay-python", "relay-endpoint"]


class Stop(TypedDict):
    """One agent that a text came by."""

    agent: str
    language: str
    path: list[str]
    seconds_left: float


@pytest.fixture(scope="module")
def chain(node: RunningNode, go_examples: Path, typescript_examples: Path) -> Iterator[list[str]]:
    """Agents of every kind, in three languages, each of which hands a text to the next; their names."""
    python = {
        "attached.py": "attached relay-python to ",
        "endpoint.py": "registered relay-endpoint at ",
    }
    with ExitStack() as programs:
        for example, ready in python.items():
            command = (sys.executable, ROOT / "examples" / "python" / example)
            programs.enter_context(Program(command, node.environ)).line(ready)
        for foreign in (in_go(go_examples), in_typescript(typescript_examples)):
            programs.enter_context(foreign.attached(node))
        yield CHAIN


@pytest.fixture
async def mesh(node: RunningNode) -> AsyncIterator[MeshClient]:
    """A client of the node."""
    async with MeshClient(node.address, node.key) as mesh:
        yield mesh


@dataclass(slots=True)
class Waiting:
    """An agent at the end of a route that never answers by itself, and what became of its call."""

    agent: Agent = field(default_factory=lambda: Agent("relay-waiting"))
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        @self.agent.capability
        async def relay(route: list[str], text: str) -> dict[str, list[str]]:
            self.begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.set()
            return {text: route}


@pytest.fixture
async def waiting(node: RunningNode) -> AsyncIterator[Waiting]:
    """The agent that waits, attached from the test's own process."""
    waiting = Waiting()
    async with attached(waiting.agent, node.address, key=node.key):
        yield waiting


async def passed(mesh: MeshClient, route: list[str], within: float = 20.0) -> list[Stop]:
    """Hand a text along a route and answer everybody's stop."""
    first, *rest = route
    answer = cast(
        "dict[str, object]", await mesh.call(first, "relay", {"route": rest, "text": "hello"}, timeout=within)
    )
    assert answer["text"] == "hello"
    return cast("list[Stop]", answer["stops"])


async def test_agents_in_three_languages_call_each_other_in_a_chain(mesh: MeshClient, chain: list[str]) -> None:
    """A text goes from Python to Go to TypeScript to Python, by name, and everybody's stop comes back."""
    stops = await passed(mesh, chain)
    assert [stop["agent"] for stop in stops] == chain
    assert [stop["language"] for stop in stops] == ["python", "go", "typescript", "python", "python"]


async def test_the_path_grows_along_the_chain(mesh: MeshClient, chain: list[str]) -> None:
    """Every agent is told the names of all before it, and its own last."""
    stops = await passed(mesh, chain)
    assert [stop["path"] for stop in stops] == [chain[: length + 1] for length in range(len(chain))]


@pytest.mark.parametrize("within", [7.0, 20.0])
async def test_the_deadline_of_the_client_reaches_every_agent(
    mesh: MeshClient, chain: list[str], within: float
) -> None:
    """Every agent is told how long the client still waits, and not how long a call may take that asks for nothing."""
    stops = await passed(mesh, chain, within)
    left = [stop["seconds_left"] for stop in stops]
    assert min(left) > 0
    assert max(left) <= within * ROUNDED, left


async def test_the_chain_can_go_any_way(mesh: MeshClient, chain: list[str]) -> None:
    """Order is nobody's business: the chain works backwards too."""
    backwards = chain[::-1]
    assert [stop["agent"] for stop in await passed(mesh, backwards)] == backwards


@pytest.mark.parametrize("first", CHAIN)
async def test_a_loop_is_refused(mesh: MeshClient, chain: list[str], first: str) -> None:
    """A → B → C → A is refused before A works again, whoever A is, and the reason reaches the client."""
    others = [name for name in chain if name != first][:2]
    with pytest.raises(CallLoop) as refused:
        await passed(mesh, [first, *others, first])
    assert refused.value.code == "FAILED_PRECONDITION"
    assert refused.value.variables == {"agent": first, "path": " > ".join([first, *others, first])}


async def test_a_client_that_goes_away_cancels_the_whole_chain(
    mesh: MeshClient, chain: list[str], waiting: Waiting
) -> None:
    """The agent at the end is cancelled through every language before it."""
    asking = asyncio.create_task(passed(mesh, [*chain, waiting.agent.name], within=300.0))
    async with asyncio.timeout(20):
        await waiting.begun.wait()
        asking.cancel()
        await waiting.ended.wait()


async def test_the_deadline_ends_the_whole_chain(mesh: MeshClient, chain: list[str], waiting: Waiting) -> None:
    """When the client's time is over, the agent at the end has stopped as well."""
    with pytest.raises(DeadlineExceeded):
        await passed(mesh, [*chain, waiting.agent.name], within=2.0)
    async with asyncio.timeout(20):
        await waiting.ended.wait()
