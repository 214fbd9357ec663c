"""What every registry promises about agents, instances and nodes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import uuid4

import pytest

from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind, RegisteredAgent
from a2a_node.model.errors import (
    AgentNotFound,
    AgentOwned,
    InstanceNotFound,
    InvalidInput,
    LeaseEnded,
    NodeNotFound,
    StoreUnavailable,
)
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.registry_ports import NODE_MEMORY, Registry
from tests.contract.registries import House

SAY = AgentCapability("say", "Says it.", input_schema={"type": "object"}, cache_ttl=2.5, idempotent=True, calls=("b",))
ECHO = AgentDescriptor("echo", version="1.0.0", tags=("a", "b"), capabilities=(SAY,), config={"depth": 3, "on": [True]})
NODE = Node("n1", "127.0.0.1:1", "127.0.0.1:2", "eu", "eu-1", labels={"gpu": "none"}, version="0.1.0")
LEASE = 15.0


@pytest.fixture
async def registry(house: House) -> Registry:
    """A registry that one node has joined."""
    await house.registry.join(NODE, LEASE)
    return house.registry


def copy_of(agent: str, kind: InstanceKind = InstanceKind.HOSTED, node: str = NODE.id) -> Instance:
    """A new instance."""
    address = "127.0.0.1:9" if kind is InstanceKind.ENDPOINT else ""
    return Instance(str(uuid4()), agent, node, kind, address, "1.0.0")


async def endpoint(registry: Registry, lease: float = 10.0) -> Instance:
    """An endpoint of echo, registered with a lease of its own."""
    instance, _ = await registry.register(ECHO, "ann", copy_of("echo", InstanceKind.ENDPOINT), lease)
    return instance


async def the_agent(registry: Registry) -> RegisteredAgent:
    """The only agent that is registered."""
    [agent] = (await registry.snapshot()).agents
    return agent


async def the_node(registry: Registry) -> Node:
    """The only node there is."""
    [node] = (await registry.snapshot()).nodes
    return node


async def revision_of(registry: Registry) -> int:
    """The revision now."""
    return (await registry.snapshot()).revision


async def test_a_new_registry_is_empty(house: House) -> None:
    """Nothing is there, at revision 0."""
    snapshot = await house.registry.snapshot()
    assert (snapshot.revision, [*snapshot.agents], [*snapshot.instances], [*snapshot.nodes]) == (0, [], [], [])


async def test_a_node_that_joins_is_there_as_it_introduced_itself(registry: Registry) -> None:
    """All that a node says of itself is kept; its times are the store's."""
    node = await the_node(registry)
    assert replace(node, started_at=None, lease_until=None, revision=0) == NODE
    assert node.started_at is not None
    assert node.lease_until is not None
    assert (node.lease_until - node.started_at).total_seconds() == pytest.approx(LEASE, abs=0.1)


async def test_a_registered_agent_is_there_as_it_introduced_itself(registry: Registry) -> None:
    """All that an agent says of itself is kept, to the fields of its capabilities."""
    instance, revision = await registry.register(ECHO, "ann", copy_of("echo"))
    snapshot = await registry.snapshot()
    [agent] = snapshot.agents
    assert (agent.descriptor, agent.owner, agent.enabled) == (ECHO, "ann", True)
    assert agent.revision == revision == snapshot.revision
    assert [*snapshot.instances] == [instance]
    assert (instance.lease_until, instance.created_at is None) == (None, False)


async def test_its_owner_may_describe_an_agent_anew(registry: Registry) -> None:
    """The newest registration decides, and the agent stays who it is."""
    await registry.register(ECHO, "ann", copy_of("echo"))
    before = await the_agent(registry)
    anew = AgentDescriptor("echo", "2.0.0", "Echoes.", "tools", ("c",), (SAY, AgentCapability("count")), {}, 2)
    await registry.register(anew, "ann", copy_of("echo"))
    after = await the_agent(registry)
    assert after.descriptor == replace(anew, config=ECHO.config)
    assert (after.id, after.created_at) == (before.id, before.created_at)
    assert after.revision > before.revision
    assert len((await registry.snapshot()).instances) == 2


async def test_a_name_belongs_to_whoever_registered_it_first(registry: Registry) -> None:
    """Another owner is refused, and nothing changes."""
    await registry.register(ECHO, "ann", copy_of("echo"))
    before = await registry.snapshot()
    with pytest.raises(AgentOwned) as refused:
        await registry.register(replace(ECHO, version="6.6.6"), "eve", copy_of("echo"))
    assert refused.value.variables == {"agent": "echo", "owner": "ann"}
    assert await registry.snapshot() == before


async def test_what_operators_set_outlives_a_registration(registry: Registry) -> None:
    """A disabled agent stays disabled, and its configuration stays, when it registers again."""
    await registry.register(ECHO, "ann", copy_of("echo"))
    await registry.update("echo", {"enabled": False, "config": {"depth": 9}})
    await registry.register(ECHO, "ann", copy_of("echo"))
    agent = await the_agent(registry)
    assert (agent.enabled, agent.descriptor.config) == (False, {"depth": 9})


async def test_an_agent_is_deployed_when_its_version_changes(house: House, registry: Registry) -> None:
    """Another copy of the same version is no deployment, another version is."""
    await registry.register(ECHO, "ann", copy_of("echo"))
    first = await the_agent(registry)
    await house.elapse(1)
    await registry.register(ECHO, "ann", copy_of("echo"))
    second = await the_agent(registry)
    await registry.register(replace(ECHO, version="1.0.1"), "ann", copy_of("echo"))
    third = await the_agent(registry)
    assert first.deployed_at == second.deployed_at < third.deployed_at
    assert third.created_at == first.created_at


async def test_an_instance_needs_its_node(registry: Registry) -> None:
    """A registration through an unknown node is refused as a whole."""
    with pytest.raises(NodeNotFound):
        await registry.register(ECHO, "ann", copy_of("echo", node="nowhere"))
    assert [*(await registry.snapshot()).agents] == []


async def test_a_registration_can_be_repeated(registry: Registry) -> None:
    """The same instance again takes its own place."""
    instance = copy_of("echo", InstanceKind.ENDPOINT)
    first, _ = await registry.register(ECHO, "ann", instance, 10)
    again, _ = await registry.register(ECHO, "ann", replace(instance, address="127.0.0.1:10"), 10)
    assert [*(await registry.snapshot()).instances] == [again]
    assert (again.address, again.created_at) == ("127.0.0.1:10", first.created_at)


async def test_an_instance_does_not_change_its_agent(registry: Registry) -> None:
    """An id that another agent's instance has is refused."""
    instance, _ = await registry.register(ECHO, "ann", copy_of("echo"))
    with pytest.raises(InvalidInput, match="instance_id"):
        await registry.register(replace(ECHO, name="other"), "ann", replace(instance, agent="other"))
    assert [agent.name for agent in (await registry.snapshot()).agents] == ["echo"]


@pytest.mark.parametrize("config", [{"name": "a\0b"}, {"number": float("nan")}])
async def test_what_cannot_be_kept_is_refused(registry: Registry, config: Mapping[str, object]) -> None:
    """A NUL character or a number beyond JSON is the caller's mistake, not the store's."""
    with pytest.raises(InvalidInput):
        await registry.register(replace(ECHO, config=config), "ann", copy_of("echo"))


async def test_a_renewed_lease_holds_for_its_own_span_again(house: House, registry: Registry) -> None:
    """Ten seconds, renewed after six, hold twelve."""
    instance = await endpoint(registry, lease=10)
    await house.elapse(6)
    renewed = await registry.renew(instance.id)
    await house.elapse(6)
    assert await registry.sweep() == 0
    assert (renewed.id, renewed.address) == (instance.id, instance.address)
    await house.elapse(5)
    assert await registry.sweep() == 1


async def test_a_lease_renewed_after_it_ended_is_refused(house: House, registry: Registry) -> None:
    """Whoever comes too late registers again, before and after a sweep."""
    instance = await endpoint(registry, lease=10)
    await house.elapse(11)
    with pytest.raises(LeaseEnded):
        await registry.renew(instance.id)
    await registry.sweep()
    with pytest.raises(InstanceNotFound):
        await registry.renew(instance.id)


@pytest.mark.parametrize("instance_id", ["75e4463c-8e9e-48d6-8d86-a3e0f531c33c", "no-uuid", ""])
async def test_a_lease_that_nobody_has_is_not_renewed(registry: Registry, instance_id: str) -> None:
    """An unknown id, or one that cannot be, is not found."""
    with pytest.raises(InstanceNotFound):
        await registry.renew(instance_id)


async def test_an_instance_held_by_its_node_has_nothing_to_renew(house: House, registry: Registry) -> None:
    """It is answered as it is, however much time has passed."""
    instance, _ = await registry.register(ECHO, "ann", copy_of("echo"))
    await house.elapse(3600)
    assert await registry.renew(instance.id) == instance


async def test_renewals_make_no_revision(registry: Registry) -> None:
    """They are frequent, and nobody needs to hear of them."""
    instance = await endpoint(registry)
    before = await revision_of(registry)
    await registry.renew(instance.id)
    assert await registry.renew_node(NODE.id, LEASE)
    assert await revision_of(registry) == before


async def test_a_sweep_removes_the_endpoints_whose_lease_is_over(house: House, registry: Registry) -> None:
    """By the store's clock; the others, the agent and its hosted copies stay."""
    await endpoint(registry, lease=10)
    long = await endpoint(registry, lease=12)
    hosted, before = await registry.register(ECHO, "ann", copy_of("echo"))
    await house.elapse(11)
    assert await registry.sweep() == 1
    changes = await registry.changes(before)
    assert changes is not None
    assert {instance.id for instance in changes.instances} == {long.id, hosted.id}
    assert [agent.name for agent in changes.agents] == ["echo"]


async def test_a_sweep_that_finds_nothing_makes_no_revision(registry: Registry) -> None:
    """Sweeping costs nobody anything when all leases hold."""
    await endpoint(registry)
    before = await revision_of(registry)
    assert await registry.sweep() == 0
    assert await revision_of(registry) == before


async def test_a_node_that_does_not_renew_becomes_suspect(house: House, registry: Registry) -> None:
    """A sweep says so, once, and its instances stay."""
    _, before = await registry.register(ECHO, "ann", copy_of("echo"))
    await house.elapse(LEASE + 1)
    assert await registry.sweep() == 0
    assert await registry.sweep() == 0
    assert (await the_node(registry)).status is NodeStatus.SUSPECT
    assert await revision_of(registry) == before + 1
    assert len((await registry.snapshot()).instances) == 1


async def test_a_suspect_that_renews_is_alive_again(house: House, registry: Registry) -> None:
    """That is worth a revision, because everybody had heard of the suspicion."""
    await house.elapse(LEASE + 1)
    await registry.sweep()
    before = await revision_of(registry)
    assert await registry.renew_node(NODE.id, LEASE)
    assert (await the_node(registry)).status is NodeStatus.ALIVE
    assert await revision_of(registry) == before + 1
    await registry.sweep()
    assert await revision_of(registry) == before + 1


async def test_a_draining_node_keeps_its_lease_and_its_status(registry: Registry) -> None:
    """Renewing does not call it back to work."""
    await registry.set_status(NODE.id, NodeStatus.DRAINING)
    assert await registry.renew_node(NODE.id, LEASE)
    assert (await the_node(registry)).status is NodeStatus.DRAINING


async def test_a_node_is_forgotten_long_after_its_lease(house: House, registry: Registry) -> None:
    """With all that is left of it; its agents stay registered."""
    await registry.register(ECHO, "ann", copy_of("echo"))
    await house.elapse(LEASE + NODE_MEMORY + 1)
    before = await revision_of(registry)
    assert await registry.sweep() == 1
    changes = await registry.changes(before)
    assert changes is not None
    assert ([*changes.removed_nodes], [*changes.nodes], [*changes.instances]) == ([NODE.id], [], [])
    assert [agent.name for agent in (await registry.snapshot()).agents] == ["echo"]
    assert not await registry.renew_node(NODE.id, LEASE)


async def test_a_node_that_joins_again_keeps_its_endpoints_only(registry: Registry) -> None:
    """What lived in its process, or on a stream to it, went away with it."""
    kept = await endpoint(registry)
    await registry.register(ECHO, "ann", copy_of("echo"))
    _, before = await registry.register(ECHO, "ann", copy_of("echo", InstanceKind.ATTACHED))
    await registry.join(replace(NODE, address="127.0.0.1:7"), LEASE)
    changes = await registry.changes(before)
    assert changes is not None
    assert [instance.id for instance in changes.instances] == [kept.id]
    assert [node.address for node in changes.nodes] == ["127.0.0.1:7"]


async def test_a_node_that_leaves_is_gone_with_what_it_held(registry: Registry) -> None:
    """Its endpoints keep their own leases; it cannot renew, only join again."""
    kept = await endpoint(registry)
    await registry.register(ECHO, "ann", copy_of("echo"))
    await registry.leave(NODE.id)
    assert (await the_node(registry)).status is NodeStatus.GONE
    assert [instance.id for instance in (await registry.snapshot()).instances] == [kept.id]
    assert not await registry.renew_node(NODE.id, LEASE)
    await registry.join(NODE, LEASE)
    assert (await the_node(registry)).status is NodeStatus.ALIVE


async def test_an_unknown_node_changes_nothing(registry: Registry) -> None:
    """It cannot leave, renew or change how it stands."""
    before = await revision_of(registry)
    assert await registry.leave("nobody") == before
    assert not await registry.renew_node("nobody", LEASE)
    with pytest.raises(NodeNotFound):
        await registry.set_status("nobody", NodeStatus.GONE)
    assert await revision_of(registry) == before


async def test_instances_are_removed_once(registry: Registry) -> None:
    """Removing counts what was there, and removing what is gone changes nothing."""
    first, second = await endpoint(registry), await endpoint(registry)
    before = await revision_of(registry)
    assert await registry.remove_instances([first.id, first.id, second.id, str(uuid4()), "no-uuid"]) == (2, before + 1)
    assert await registry.remove_instances([first.id]) == (0, before + 1)
    assert await registry.remove_instances([]) == (0, before + 1)


async def test_a_removed_agent_takes_its_instances_along(registry: Registry) -> None:
    """Everybody hears its name among the removed; the name is free for anybody then."""
    await endpoint(registry)
    _, before = await registry.register(ECHO, "ann", copy_of("echo"))
    assert await registry.remove_agent("echo") == (2, before + 1)
    changes = await registry.changes(before)
    assert changes is not None
    assert ([*changes.agents], [*changes.instances], [*changes.removed_agents]) == ([], [], ["echo"])
    with pytest.raises(AgentNotFound):
        await registry.remove_agent("echo")
    await registry.register(ECHO, "eve", copy_of("echo"))
    assert (await the_agent(registry)).owner == "eve"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("description", "Says it again."),
        ("category", "tools"),
        ("tags", ("x", "y")),
        ("config", {"deep": {"er": [1, 2.5, None]}}),
        ("max_revisits", 4_000_000_000),
        ("needs_call_token", True),
    ],
)
async def test_an_update_changes_what_it_names_and_nothing_else(registry: Registry, field: str, value: object) -> None:
    """The other fields are as they were, and everybody hears of it."""
    await registry.register(ECHO, "ann", copy_of("echo"))
    before = await the_agent(registry)
    revision = await registry.update("echo", {field: value})
    after = await the_agent(registry)
    assert getattr(after.descriptor, field) == value
    assert replace(after.descriptor, **{field: getattr(ECHO, field)}) == ECHO
    assert (after.enabled, after.deployed_at, after.revision) == (True, before.deployed_at, revision)


async def test_an_update_of_what_is_not_there_is_refused(registry: Registry) -> None:
    """An unknown agent is not found; a field that cannot be changed is named."""
    with pytest.raises(AgentNotFound):
        await registry.update("nobody", {"enabled": False})
    await registry.register(ECHO, "ann", copy_of("echo"))
    with pytest.raises(InvalidInput, match="owner"):
        await registry.update("echo", {"owner": "eve"})


async def test_a_store_that_is_away_says_so_and_nothing_is_lost(house: House, registry: Registry) -> None:
    """Every method fails with the one error; when the store is back, all is as before."""
    instance = await endpoint(registry)
    before = await registry.snapshot()
    await house.lose()
    for attempt in (
        registry.join(NODE, LEASE),
        registry.renew_node(NODE.id, LEASE),
        registry.set_status(NODE.id, NodeStatus.DRAINING),
        registry.leave(NODE.id),
        registry.give_up(NODE.id),
        registry.register(ECHO, "ann", copy_of("echo")),
        registry.renew(instance.id),
        registry.remove_instances([instance.id]),
        registry.remove_agent("echo"),
        registry.update("echo", {"enabled": False}),
        registry.sweep(),
        registry.snapshot(),
        registry.changes(0),
        registry.revisions().__aenter__(),
    ):
        with pytest.raises(StoreUnavailable):
            await attempt
    await house.recover()
    assert await registry.snapshot() == before
