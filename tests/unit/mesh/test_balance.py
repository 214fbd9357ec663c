"""Which running copy takes a call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic

import pytest

from a2a_node.mesh.balance import Balance, Place
from a2a_node.mesh.copies import Copies
from a2a_node.model.agents import AgentDescriptor, Instance, InstanceKind, RegisteredAgent
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentNotFound, NodeNotFound, NoInstance
from a2a_node.model.nodes import Node, NodeStatus
from tests.unit.mesh.calls import call, done, instance, passed_through

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NODES = (
    Node("n1", "a", region="north", zone="x"),
    Node("near", "a", region="north", zone="x"),
    Node("region", "a", region="north", zone="y"),
    Node("far", "a", region="south", zone="x"),
    Node("doubt", "a", region="north", zone="x", status=NodeStatus.SUSPECT),
    Node("leaving", "a", region="north", zone="x", status=NodeStatus.DRAINING),
    Node("gone", "a", region="north", zone="x", status=NodeStatus.GONE),
)


AGENT = RegisteredAgent(
    AgentDescriptor("echo"), "id", "dev", enabled=True, deployed_at=NOW, created_at=NOW, updated_at=NOW, revision=1
)


@dataclass
class Entry:
    """The agent with its instances."""

    instances: Sequence[Instance]
    agent: RegisteredAgent = AGENT


@dataclass
class House:
    """A directory that knows echo, and the layer."""

    instances: Sequence[Instance]
    unreachable: set[str] = field(default_factory=set)
    late: set[str] = field(default_factory=set)
    revision: int = 1
    nodes: Mapping[str, Node] = field(default_factory=lambda: {node.id: node for node in NODES})

    def __post_init__(self) -> None:
        self.entry = Entry(self.instances)
        self.copies = Copies(lambda _: True)
        place = Place("n1", "north", "x")
        self.balance = Balance(
            self, lambda one: one.id not in self.unreachable, self.copies, place, lambda one: one.id in self.late
        )

    def find(self, agent: str) -> Entry:
        """That agent."""
        if agent != "echo":
            raise AgentNotFound(agent)
        return self.entry

    def node(self, node_id: str) -> Node:
        """A node."""
        if node_id not in self.nodes:
            raise NodeNotFound(node_id)
        return self.nodes[node_id]

    async def picks(self, asked: Call | None = None) -> str:
        """Who takes the next call."""
        asked = asked or call()
        await self.balance.layer(asked, done)
        assert asked.instance is not None
        return asked.instance.id

    def lose(self, *names: str) -> None:
        """Take instances out by their breakers."""
        for name in names:
            self.copies.of(name).breaker.fail(1e12, at_once=True)


PLACES = ("n1", "near", "region", "far", "doubt", "leaving")


async def test_the_nearest_is_picked_and_the_next_when_it_is_out() -> None:
    """Own node, zone, region, elsewhere; then those in doubt, then those about to stop; never one that is gone."""
    house = House([instance(name, name) for name in reversed([*PLACES, "gone", "unknown"])])
    for place in PLACES:
        assert {await house.picks() for _ in range(5)} == {place}
        house.lose(place)
    with pytest.raises(NoInstance, match="doubt"):
        await house.picks()


async def test_an_instance_out_of_reach_is_never_picked() -> None:
    """Nor is it when it is the only one."""
    house = House([instance("one"), instance("two")], {"one"})
    assert {await house.picks() for _ in range(20)} == {"two"}
    house.unreachable.add("two")
    with pytest.raises(NoInstance):
        await house.picks()


@pytest.mark.parametrize("place", ["near", "far"])
async def test_an_instance_whose_node_is_late_to_answer_waits_for_calls_that_nobody_else_takes(place: str) -> None:
    """As long as there is another one, be it further away, that one is picked."""
    house = House([instance("late", "near"), instance("other", place)], late={"late"})
    assert {await house.picks() for _ in range(20)} == {"other"}
    house.lose("other")
    assert await house.picks() == "late"
    assert await House([instance("late", "near")], late={"late"}).picks() == "late"


@pytest.mark.parametrize("place", ["gone", "unknown"])
async def test_an_only_instance_is_not_picked_once_its_node_is_gone(place: str) -> None:
    """Though there is nobody to compare it with; elsewhere it takes all calls."""
    with pytest.raises(NoInstance):
        await House([instance("one", place)]).picks()
    assert await House([instance("one", "far")]).picks() == "one"


async def test_of_two_the_one_that_answers_sooner_is_picked() -> None:
    """By how long its calls took, and how many it has."""
    house = House([instance("slow"), instance("fast")])
    house.copies.of("slow").score.saw(0.2, monotonic())
    house.copies.of("fast").score.saw(0.1, monotonic())
    assert {await house.picks() for _ in range(20)} == {"fast"}
    house.copies.of("fast").score.in_flight = 5
    assert {await house.picks() for _ in range(20)} == {"slow"}


async def test_one_that_fails_at_once_does_not_take_the_calls_of_one_that_works_for_long() -> None:
    """It answers sooner, and with nothing."""
    house, seen = House([instance("ill"), instance("well")]), Counter[str]()
    house.copies.of("well").score.saw(60.0, monotonic())
    for _ in range(200):
        seen[picked := await house.picks()] += 1
        if picked == "ill":
            house.copies.of("ill").score.saw(0.0, monotonic(), ill=True)
    assert seen["ill"] < 60


async def test_of_two_that_are_equal_neither_comes_first() -> None:
    """However seldom they are asked."""
    house = House([instance("one"), instance("two")])
    seen = Counter([await house.picks() for _ in range(200)])
    assert min(seen["one"], seen["two"]) > 50


async def test_of_many_all_get_calls_and_the_slow_one_the_fewest() -> None:
    """Two at random are compared, so that nobody runs after the best."""
    house = House([instance(str(number)) for number in range(10)])
    house.copies.of("0").score.saw(5, monotonic())
    seen = Counter([await house.picks() for _ in range(2000)])
    assert seen["0"] == 0
    assert len(seen) == 9
    assert max(seen.values()) < 3 * min(seen.values())


async def test_many_that_are_out_do_not_hide_the_last_one() -> None:
    """However unlikely it is to be among two at random."""
    house = House([instance(str(number)) for number in range(50)], {str(number) for number in range(49)})
    assert {await house.picks() for _ in range(20)} == {"49"}


async def test_another_try_goes_elsewhere_if_it_can() -> None:
    """Farther away rather than where it was tried before; there again only when there is nobody else."""
    house, asked = House([instance("one"), instance("two", "far")]), call()
    asked.tried = ("one",)
    assert await house.picks(asked) == "two"
    house.lose("two")
    assert await house.picks(asked) == "one"


async def test_a_second_try_beside_the_first_goes_to_another_instance_or_nowhere() -> None:
    """On another node, where the first one runs on another one: each knows a call once."""
    house, asked = House([instance("one"), instance("two"), instance("far", "far"), instance("too", "far")]), call()
    assert house.balance.beside(asked) is None  # nobody was picked yet
    asked.instance = instance("one")
    assert house.balance.beside(asked) == ("one",)
    asked.instance = instance("far", "far")
    assert house.balance.beside(asked) == ("far", "too")
    second = call()
    second.tried, second.beside = ("far", "too"), True
    assert {await house.picks(second) for _ in range(20)} <= {"one", "two"}
    house.lose("one", "two")
    assert house.balance.beside(asked) is None
    with pytest.raises(NoInstance):
        await house.picks(second)
    lonely = House([instance("one")])
    second.tried = ("one",)
    with pytest.raises(NoInstance):
        await lonely.picks(second)


async def test_an_agent_that_left_while_it_works_has_no_other_instance() -> None:
    """A second try is not made."""
    house, asked = House([instance("one"), instance("two")]), call()
    asked.instance, asked.agent = instance("one"), "left"
    assert house.balance.beside(asked) is None


async def test_a_call_of_another_node_goes_no_further() -> None:
    """It is served by the instance that was picked there, by another one here, or not at all."""
    house, asked = House([instance("one"), instance("two"), instance("three", "near")]), call()
    asked.wanted = "two"
    await house.balance.here(asked, done)
    assert asked.instance is not None
    assert asked.instance.id == "two"
    house.lose("two")
    await house.balance.here(asked, done)
    assert asked.instance.id == "one"
    house.lose("one")
    with pytest.raises(NoInstance):
        await house.balance.here(asked, done)


async def test_an_endpoint_that_has_moved_is_still_called_from_the_node_that_it_left() -> None:
    """Where another node wanted it there; an instance of any other kind cannot be."""
    moved = Instance("moved", "echo", "near", InstanceKind.ENDPOINT, "127.0.0.1:1")
    house, asked = House([moved, instance("attached", "near")]), call()
    asked.wanted = "moved"
    await house.balance.here(asked, done)
    assert asked.instance == replace(moved, node="n1")
    asked.wanted = "attached"
    with pytest.raises(NoInstance):
        await house.balance.here(asked, done)


async def test_the_refusal_says_when_to_ask_again() -> None:
    """As soon as a breaker lets a call through."""
    house = House([instance("one")])
    house.lose("one")
    with pytest.raises(NoInstance) as refused:
        await house.picks()
    assert refused.value.retry_after is not None
    assert refused.value.retry_after > 1


async def test_a_change_of_the_directory_is_seen_at_once() -> None:
    """A node that is in doubt comes after one that is not."""
    house = House([instance("one", "near"), instance("two", "region")])
    assert await house.picks() == "one"
    house.nodes = {**house.nodes, "near": Node("near", "a", region="north", zone="x", status=NodeStatus.SUSPECT)}
    house.revision += 1
    assert await house.picks() == "two"


async def test_what_is_passed_through_goes_to_endpoints_alone() -> None:
    """However far they are, and however near others; here and for calls that other nodes bring."""
    at_address = Instance("at_address", "echo", "far", InstanceKind.ENDPOINT, "127.0.0.1:1")
    house = House([instance("held"), at_address])
    assert await house.picks() == "held"
    assert await house.picks(passed_through(call())) == "at_address"
    for asked in (house.balance.here, House([instance("held")]).balance.layer):
        with pytest.raises(NoInstance):
            await asked(passed_through(call()), done)
