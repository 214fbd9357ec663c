"""What every registry promises about revisions: following the changes is as good as reading everything."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind
from a2a_node.model.errors import MeshError, StoreUnavailable
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.registry_ports import Registry
from tests.contract.copies import Copy, copied
from tests.contract.registries import House, PostgresHouse, housed

LEASE = 10.0
LONG = 30.0  # seconds that no test takes
EMPTY = "TRUNCATE agents, nodes, instances, registry_changes"


def agent(name: str) -> AgentDescriptor:
    """An agent of that name."""
    return AgentDescriptor(name, capabilities=(AgentCapability("say"),))


def node(name: str) -> Node:
    """A node of that name."""
    return Node(name, f"{name}:1")


async def register(registry: Registry, name: str) -> int:
    """Register a copy of an agent; the revision."""
    instance = Instance(str(uuid4()), name, "n1", InstanceKind.HOSTED)
    return (await registry.register(agent(name), "ann", instance))[1]


@dataclass(frozen=True)
class Step:
    """A method of the registry, or the passing of time, and what it is given."""

    word: str
    given: tuple[object, ...] = ()

    async def taken(self, house: House) -> object:
        """What comes of it, be it a failure; without the times that stores choose."""
        method = getattr(house if self.word == "elapse" else house.registry, self.word)
        try:
            return timeless(await method(*self.given))
        except MeshError as failure:
            return failure.reason


def timeless(result: object) -> object:
    """A result without its times."""
    match result:
        case Node():
            return replace(result, lease_until=None, started_at=None)
        case Instance():
            return replace(result, lease_until=None, created_at=None)
        case (Instance() as instance, revision):
            return timeless(instance), revision
    return result


def step(word: str, *given: st.SearchStrategy[object]) -> st.SearchStrategy[Step]:
    """Steps of one kind."""
    return st.builds(Step, st.just(word), st.tuples(*given))


def registration(name: str, slot: str, node_id: str, kind: InstanceKind, owner: str) -> Step:
    """A registration; endpoints have a lease of their own."""
    lease = LEASE if kind is InstanceKind.ENDPOINT else 0.0
    return Step("register", (agent(name), owner, Instance(slot, name, node_id, kind), lease))


NODES = st.sampled_from(["n1", "n2"])
AGENTS = st.sampled_from(["a", "b", "c"])
SLOTS = st.sampled_from([str(UUID(int=number)) for number in range(1, 7)])
STEPS = st.lists(
    st.one_of(
        step("join", NODES.map(node), st.just(LEASE)),
        step("renew_node", NODES, st.just(LEASE)),
        step("set_status", NODES, st.sampled_from(NodeStatus)),
        step("leave", NODES),
        step("give_up", NODES),
        st.builds(registration, AGENTS, SLOTS, NODES, st.sampled_from(InstanceKind), st.sampled_from(["ann", "eve"])),
        step("renew", SLOTS),
        step("remove_instances", st.lists(SLOTS, max_size=3)),
        step("remove_agent", AGENTS),
        step("update", AGENTS, st.fixed_dictionaries({"enabled": st.booleans()})),
        step("sweep"),
        step("elapse", st.sampled_from([4.0, 11.0, 90_000.0])),
    ),
    max_size=25,
)
STARTED = [
    Step("join", (node("n1"), LEASE)),
    Step("join", (node("n2"), LEASE)),
]  # without nodes there is little to tell


async def emptied(house: House) -> None:
    """Forget what an example before this one has left."""
    if isinstance(house, PostgresHouse):
        await house.postgres.fetch(text(EMPTY))
        await house.postgres.fetch(text("UPDATE registry_revision SET revision = 0"))


async def follow_all(url: str | None, steps: Sequence[Step], pauses: Sequence[bool]) -> None:
    """Take all steps, following the changes after some; in the end the copy is what everybody else reads."""
    async with housed(url) as house:
        await emptied(house)
        known = Copy()
        for taken, pause in zip([*STARTED, *steps], cycle(pauses), strict=False):
            await taken.taken(house)
            if not pause:
                await known.follow(house.registry)
        await known.follow(house.registry)
        assert known.without_leases() == copied(await house.registry.snapshot()).without_leases()


async def compare(url: str, steps: Sequence[Step]) -> None:
    """Take all steps in two registries; they answer alike, and know the same in the end."""
    async with housed(url) as real, housed(None) as twin:
        await emptied(real)
        for taken in [*STARTED, *steps]:
            assert await taken.taken(real) == await taken.taken(twin), taken
        ends = [copied(await house.registry.snapshot()).without_times() for house in (real, twin)]
        assert ends[0] == ends[1]


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS, pauses=st.lists(st.booleans(), min_size=1, max_size=8))
def test_a_copy_that_follows_the_changes_equals_a_snapshot(
    registry_url: str | None, steps: list[Step], pauses: list[bool]
) -> None:
    """Whatever happens, and however seldom the copy asks."""
    asyncio.run(follow_all(registry_url, steps, pauses))


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_the_twin_behaves_as_the_real_registry(postgres_url: str, steps: list[Step]) -> None:
    """Whatever happens, both answer the same, failures included."""
    asyncio.run(compare(postgres_url, steps))


async def test_revisions_grow_in_commit_order(house: House) -> None:
    """Fifty register at once, and a reader who follows meanwhile misses none of them."""
    await house.registry.join(node("n1"), LEASE)
    known = Copy()

    async def follow() -> None:
        async with house.registry.revisions() as revisions:
            listening.set()
            async for _ in revisions:
                await known.follow(house.registry)
                if known.revision == 51:
                    return

    listening = asyncio.Event()
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as tasks:
        tasks.create_task(follow())
        await listening.wait()
        given_out = await asyncio.gather(*(register(house.registry, f"a{number}") for number in range(50)))
    assert sorted(given_out) == [*range(2, 52)]
    assert known.without_leases() == copied(await house.registry.snapshot()).without_leases()


async def test_changes_after_a_gap_are_the_latest(house: House) -> None:
    """An agent that changed three times is told once, as it is now."""
    await house.registry.join(node("n1"), LEASE)
    before = await register(house.registry, "a")
    await house.registry.update("a", {"category": "x"})
    await house.registry.update("a", {"category": "y"})
    now = await house.registry.update("a", {"enabled": False})
    changes = await house.registry.changes(before)
    assert changes is not None
    assert changes.revision == now
    assert [(told.descriptor.category, told.enabled) for told in changes.agents] == [("y", False)]
    assert len(changes.instances) == 1
    assert ([*changes.nodes], [*changes.removed_agents], [*changes.removed_nodes]) == ([], [], [])


async def joined(house: House) -> int:
    """The revision at which a node has joined."""
    entered = await house.registry.join(node("n1"), LEASE)
    assert entered is not None
    return entered.revision


async def test_nothing_changed_after_the_latest_revision(house: House) -> None:
    """Asking again costs nothing and tells nothing."""
    revision = await joined(house)
    changes = await house.registry.changes(revision)
    assert changes is not None
    assert (changes.revision, [*changes.nodes]) == (revision, [])


async def test_a_revision_that_never_was_asks_for_a_snapshot(house: House) -> None:
    """As after the database was replaced by an older one."""
    assert await house.registry.changes(1) is None


async def test_changes_of_long_ago_ask_for_a_snapshot(registry_url: str | None) -> None:
    """A registry that keeps three revisions tells what changed after the fourth last, and no further back."""
    async with housed(registry_url, kept=3) as house:
        for _ in range(5):
            await house.registry.join(node("n1"), LEASE)
        assert await house.registry.changes(1) is None
        assert await house.registry.changes(2) is not None


async def test_commits_are_heard(house: House) -> None:
    """Each change wakes whoever listens; of several that wait, the latest is enough."""
    async with asyncio.timeout(LONG), house.registry.revisions() as revisions:
        assert await joined(house) == await anext(revisions)
        last = [await register(house.registry, name) for name in "abc"][-1]
        heard = [await anext(revisions)]
        while heard[-1] != last:
            heard.append(await anext(revisions))
        assert heard == sorted({*heard})


async def test_whoever_listens_learns_that_the_store_is_away(house: House) -> None:
    """The wait ends with the one error, for whoever asks again too; a new wait begins when the store is back."""
    async with asyncio.timeout(LONG):
        async with house.registry.revisions() as revisions:
            await house.lose()
            for _ in range(2):
                with pytest.raises(StoreUnavailable):
                    await anext(revisions)
        await house.recover()
        async with house.registry.revisions() as revisions:
            assert await joined(house) == await anext(revisions)


async def test_a_node_is_given_up_only_when_it_missed_its_lease(house: House) -> None:
    """And was suspect or draining then; it is gone with what it held, and joins again if it comes back."""
    registry = house.registry
    await registry.join(node("n1"), LEASE)
    await register(registry, "echo")
    assert not await registry.give_up("n1")
    assert not await registry.give_up("nobody")
    await house.elapse(LEASE + 1)
    await registry.sweep()
    assert await registry.give_up("n1")
    assert not await registry.give_up("n1")
    left = await registry.snapshot()
    assert ([one.status for one in left.nodes], [*left.instances]) == ([NodeStatus.GONE], [])
    assert not await registry.renew_node("n1", LEASE)
    await registry.join(node("n1"), LEASE)
    assert not await registry.give_up("n1")


async def test_a_registration_binds_an_agent_and_never_frees_it(house: House) -> None:
    """An agent that could free itself would not be bound; an update does."""
    registry = house.registry
    await registry.join(node("n1"), LEASE)

    async def registered(*, bound: bool) -> bool:
        instance = Instance(str(uuid4()), "echo", "n1", InstanceKind.HOSTED)
        await registry.register(replace(agent("echo"), needs_call_token=bound), "ann", instance)
        (known,) = (await registry.snapshot()).agents
        return known.descriptor.needs_call_token

    assert [await registered(bound=bound) for bound in (False, True, False)] == [False, True, True]
    await registry.update("echo", {"needs_call_token": False})
    assert not await registered(bound=False)
