"""Agents in three languages that call each other in a chain through one node."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypedDict, cast

import pytest

from a2a_node.client import MeshClient
from a2a_node.model.errors import CallLoop
from tests.e2e.foreign import in_go, in_typescript
from tests.e2e.nodes import RunningNode
from tests.e2e.processes import Program
from tests.e2e.tools import ROOT

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


async def test_the_deadline_shrinks_along_the_chain(mesh: MeshClient, chain: list[str]) -> None:
    """Every agent is told how long the client still waits: less than the agent before it was told."""
    stops = await passed(mesh, chain, within=20.0)
    left = [stop["seconds_left"] for stop in stops]
    assert left == sorted(left, reverse=True)
    assert 0 < left[-1] < left[0] <= 20


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
    assert refused.value.variables == {"agent": first, "path": " > ".join([first, *others])}
