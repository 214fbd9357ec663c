"""Where calls lead as agents have declared it: which are refused before any agent works."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.mesh.ahead import Ahead, circle_from, ways_from
from a2a_node.mesh.entries import Entry
from a2a_node.model.agents import AgentCapability, AgentDescriptor, RegisteredAgent
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import AgentNotFound, CallLoop

NOW = datetime(2026, 11, 27, tzinfo=UTC)
Graph = dict[str, tuple[str, ...]]


class Known:
    """A directory of agents that declare whom they call."""

    def __init__(self, graph: Graph, **revisits: int) -> None:
        self.revision, self.asked = 1, 0
        self.graph, self.revisits = graph, revisits

    def find(self, agent: str) -> Entry:
        """The agent."""
        self.asked += 1
        if agent not in self.graph:
            raise AgentNotFound(agent)
        asks = AgentCapability("ask", calls=self.graph[agent])
        descriptor = AgentDescriptor(
            agent, capabilities=(asks, AgentCapability("say")), max_revisits=self.revisits.get(agent, 0)
        )
        return Entry(RegisteredAgent(descriptor, "id", "person:dev", True, NOW, NOW, NOW, 1))  # noqa: FBT003


async def _rest(_: Call) -> None:
    """Nothing is left to do."""


def call(known: Known, *path: str, capability: str = "ask") -> Call:
    """A call of the last agent of a path."""
    made = Call("/m", _rest, agent=path[-1], envelope=Envelope(1.0, 1.0, path))
    made.offered = known.find(path[-1]).agent.descriptor.capability(capability)
    return made


@pytest.mark.parametrize(
    ("path", "agent", "way"),
    [
        ("a", "a", "a > b > c > a"),
        ("b", "b", "b > c > a > b"),
        ("x", "a", "x > a > b > c > a"),
        ("y > a", "a", "y > a > b > c > a"),
        ("y > b", "b", "y > b > c > a > b"),
    ],
)
def test_a_declared_loop_is_refused_wherever_a_call_comes_to_it(path: str, agent: str, way: str) -> None:
    """At its first agent, ahead of it, or behind agents that have declared nothing."""
    known = Known({"a": ("b",), "b": ("c",), "c": ("a",), "x": ("a",), "y": ()})
    with pytest.raises(CallLoop, match="declare") as refused:
        Ahead(known).check(call(known, *path.split(" > ")))
    assert refused.value.variables == {"agent": agent, "path": way}


def test_the_path_behind_a_call_counts() -> None:
    """Whoever has declared nothing may be met again by those who have."""
    known = Known({"y": (), "a": ("b",), "b": ("y",)})
    ahead = Ahead(known)
    ahead.check(call(known, "a"))
    with pytest.raises(CallLoop) as refused:
        ahead.check(call(known, "y", "a"))
    assert refused.value.variables == {"agent": "y", "path": "y > a > b > y"}


@pytest.mark.parametrize(
    "graph",
    [
        {"a": ()},
        {"a": ("nobody",)},
        {"a": ("b", "c"), "b": ("d",), "c": ("d",), "d": ("e",), "e": ()},
    ],
)
def test_what_does_not_come_back_is_let_pass(graph: Graph) -> None:
    """Several ways to one agent are no loop, and nobody has to know whom an agent calls."""
    known = Known(graph)
    for agent in graph:
        Ahead(known).check(call(known, agent))


def test_a_capability_that_calls_nobody_is_called_whatever_the_others_of_its_agent_do() -> None:
    """And without a look at anybody else."""
    known = Known({"a": ("b",), "b": ("a",)})
    made = call(known, "a", capability="say")
    asked = known.asked
    Ahead(known).check(made)
    assert known.asked == asked


def test_agents_that_may_come_back_are_left_to_the_path() -> None:
    """Nobody has declared how often they do."""
    known = Known({"a": ("b",), "b": ("a",)}, a=1)
    ahead = Ahead(known)
    ahead.check(call(known, "a"))
    ahead.check(call(known, "b"))
    with pytest.raises(CallLoop):
        ahead.check(call(known, "a", "b", "a", "b"))


def test_a_view_is_kept_until_the_directory_changes() -> None:
    """No call pays for another look."""
    known = Known({"a": ("b",), "b": ("c",), "c": ()})
    ahead, made = Ahead(known), call(known, "a")
    ahead.check(made)
    asked = known.asked
    known.graph["c"] = ("a",)
    ahead.check(made)
    assert known.asked == asked
    known.revision += 1
    with pytest.raises(CallLoop):
        ahead.check(made)


@given(st.dictionaries(st.sampled_from("abcdef"), st.lists(st.sampled_from("abcdef"), max_size=4).map(tuple)))
def test_a_circle_is_found_exactly_where_there_is_one(graph: Graph) -> None:
    """Any graph: an agent ahead that is ahead of itself; and the way to it can be gone."""

    def calls(agent: str) -> tuple[str, ...]:
        return graph.get(agent, ())

    ahead = ways_from("a", calls)
    circle = circle_from("a", calls)
    assert bool(circle) == any(agent in ways_from(calls(agent), calls) for agent in ahead)
    for way in (*ahead.values(), circle):
        assert all(after in calls(before) for before, after in pairwise(way))
        assert not way or way[0] == "a"
    assert circle[-1:] == () or circle.count(circle[-1]) == 2
