"""What a node knows of the registry: changes applied one by one come to the same as a fresh look."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.mesh.book import Book, step_by, step_to
from a2a_node.mesh.entries import Wanted
from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind
from a2a_node.model.errors import AgentNotFound, InstanceNotFound, NodeNotFound
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.testing import Clock, MemoryRegistry
from tests.unit.mesh.samples import HERE, OWNER, THERE, agent, attached, endpoint, joined, registered

NAMES, NODES, WORDS = ("a", "b", "c"), (HERE, THERE), ("red", "green")
IDS = tuple(f"00000000-0000-4000-8000-00000000000{number}" for number in range(4))
Deed: TypeAlias = Callable[["World"], Coroutine[object, object, object]]


class World:
    """A registry, its clock, and a book that reads along."""

    def __init__(self, kept: int) -> None:
        self.clock = Clock()
        self.registry = MemoryRegistry(self.clock, kept=kept)
        self.book = Book()

    async def read(self) -> None:
        """Read what changed, or everything when that is not kept."""
        changes = await self.registry.changes(self.book.revision)
        self.book.take(
            step_to(self.book, await self.registry.snapshot()) if changes is None else step_by(self.book, changes)
        )


def register(name: str, number: int, node: str, word: str) -> Deed:
    """Register an agent's copy; whoever holds the place already keeps it."""

    async def deed(world: World) -> None:
        held = number % 2 == 0
        kind, address = (InstanceKind.ATTACHED, "") if held else (InstanceKind.ENDPOINT, f"{node}:{number}")
        capabilities = (AgentCapability(word), AgentCapability("say"))
        descriptor = AgentDescriptor(name, tags=(word,), category=word, capabilities=capabilities)
        owned = {instance.id: instance for instance in (await world.registry.snapshot()).instances}
        if owned.get(IDS[number], endpoint(name)).agent == name:
            await world.registry.join(Node(node, node), 15)
            copy = Instance(IDS[number], name, node, kind, address)
            await world.registry.register(descriptor, OWNER, copy, 0 if held else 30)

    return deed


def update(name: str, word: str) -> Deed:
    """Switch an agent off and tag it, if it is there."""

    async def deed(world: World) -> None:
        if name in {known.name for known in (await world.registry.snapshot()).agents}:
            await world.registry.update(name, {"enabled": False, "tags": (word,)})

    return deed


def remove(name: str) -> Deed:
    """Remove an agent, if it is there."""

    async def deed(world: World) -> None:
        if name in {known.name for known in (await world.registry.snapshot()).agents}:
            await world.registry.remove_agent(name)

    return deed


def pass_time(seconds: float) -> Deed:
    """Let time pass and leases end."""

    async def deed(world: World) -> None:
        world.clock.advance(seconds)
        await world.registry.sweep()

    return deed


name, node, word, number = (st.sampled_from(options) for options in (NAMES, NODES, WORDS, range(len(IDS))))
deeds = st.one_of(
    st.builds(register, name, number, node, word),
    st.builds(update, name, word),
    st.builds(remove, name),
    st.builds(lambda number: lambda world: world.registry.remove_instances([IDS[number]]), number),
    st.builds(lambda node: lambda world: world.registry.leave(node), node),
    st.builds(pass_time, st.sampled_from((10.0, 40.0, 90_000.0))),
    st.just(World.read),
)


def seen(book: Book) -> object:
    """All that a book shows, through each of its doors."""
    wanted = [Wanted(), *(Wanted(tag=word) for word in WORDS), *(Wanted(category=word) for word in WORDS)]
    wanted += [Wanted(capability=word) for word in (*WORDS, "say")]
    wanted += [Wanted(node=node) for node in NODES] + [Wanted(enabled=enabled) for enabled in (True, False)]
    return (
        book.revision,
        [book.agents(one) for one in wanted],
        book.nodes(),
        [book.on_node(node) for node in NODES],
        [found(book, instance_id) for instance_id in IDS],
        [book.serves(f"{node}:{number}") for node in NODES for number in range(4)],
    )


def found(book: Book, instance_id: str) -> Instance | None:
    """The instance, if it is there."""
    try:
        return book.instance(instance_id)
    except InstanceNotFound:
        return None


@given(st.lists(deeds, max_size=30), st.sampled_from((3, 1000)))
def test_changes_one_by_one_come_to_the_same_as_a_fresh_look(done: Sequence[Deed], kept: int) -> None:
    """Whatever is registered, removed, updated or lost, and whenever the book reads."""

    async def play() -> None:
        world, fresh = World(kept), Book()
        for deed in done:
            await deed(world)
        await world.read()
        fresh.take(step_to(fresh, await world.registry.snapshot()))
        assert seen(world.book) == seen(fresh)

    asyncio.run(play())


async def test_what_is_already_known_is_no_news() -> None:
    """A change that is read twice changes nothing the second time."""
    registry, book = await joined(MemoryRegistry()), Book()
    await registered(registry, "a")
    book.take(step_to(book, await registry.snapshot()))
    changes = await registry.changes(0)
    assert changes is not None
    assert not step_by(book, changes).entries
    assert not step_to(book, await registry.snapshot()).entries


async def test_filters_are_all_to_be_met() -> None:
    """And each one selects."""
    registry, book = await joined(MemoryRegistry()), Book()
    for name, tag, category in (("a", "x", "one"), ("b", "x", "two"), ("c", "y", "two")):
        await registry.register(agent(name, tags=(tag,), category=category), OWNER, endpoint(name), 15)
    await registry.register(agent("b", tags=("x",), category="two"), OWNER, attached("b", THERE))
    await registry.update("c", {"enabled": False})
    book.take(step_to(book, await registry.snapshot()))
    for wanted, names in (
        (None, "abc"),
        (Wanted(), "abc"),
        (Wanted(tag="x"), "ab"),
        (Wanted(tag="x", category="two"), "b"),
        (Wanted(node=THERE), "b"),
        (Wanted(enabled=False), "c"),
        (Wanted(capability="say", enabled=True), "ab"),
        (Wanted(capability="sing"), ""),
    ):
        assert "".join(entry.name for entry in book.agents(wanted)) == names


async def test_what_is_not_known_is_said_by_name() -> None:
    """An agent, an instance and a node each have an error of their own."""
    book = Book()
    with pytest.raises(AgentNotFound):
        book.find("a")
    with pytest.raises(InstanceNotFound):
        book.instance(IDS[0])
    with pytest.raises(NodeNotFound):
        book.node(HERE)


async def test_a_call_costs_what_its_capability_says() -> None:
    """And 1 where nobody has it."""
    registry, book = await joined(MemoryRegistry()), Book()
    dear = AgentDescriptor("a", capabilities=(AgentCapability("say"), AgentCapability("dear", cost=7)))
    await registry.register(dear, OWNER, endpoint("a"), 15)
    book.take(step_to(book, await registry.snapshot()))
    assert [book.cost_of("a", name) for name in ("say", "dear", "", "sing")] == [1, 7, 1, 1]
    assert book.cost_of("b", "say") == 1


async def test_a_renewed_lease_is_known_at_once() -> None:
    """Though it makes no revision; one of an instance that is gone is ignored."""
    registry, book = await joined(MemoryRegistry()), Book()
    instance, _ = await registry.register(agent("a"), OWNER, endpoint("a"), 15)
    book.take(step_to(book, await registry.snapshot()))
    renewed = await registry.renew(instance.id)
    book.renewed(renewed)
    book.renewed(endpoint("a"))
    assert book.instance(instance.id) is renewed
    assert book.find("a").instances == (renewed,)


async def test_a_node_that_drains_is_known_as_draining() -> None:
    """Changes of nodes arrive like those of agents."""
    registry, book = await joined(MemoryRegistry()), Book()
    book.take(step_to(book, await registry.snapshot()))
    await registry.set_status(THERE, NodeStatus.DRAINING)
    changes = await registry.changes(book.revision)
    assert changes is not None
    book.take(step_by(book, changes))
    assert [one.status for one in book.nodes()] == [NodeStatus.ALIVE, NodeStatus.DRAINING]
