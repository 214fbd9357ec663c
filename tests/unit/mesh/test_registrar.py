"""Changes of the registry: checked, written, and seen before they are answered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from a2a_node.mesh.directory import Directory
from a2a_node.mesh.registrar import Registrar
from a2a_node.model.agents import Instance
from a2a_node.model.errors import (
    AgentHeld,
    AgentNotFound,
    AgentOwned,
    InstanceNotFound,
    InvalidInput,
    LeaseEnded,
    NodeDraining,
    NodeNotFound,
    StoreUnavailable,
)
from a2a_node.model.names import fresh_uuid
from a2a_node.model.nodes import Node, NodeStatus, Progress
from a2a_node.model.principal import Principal
from a2a_node.testing import Clock, MemoryRegistry
from tests.unit.mesh.samples import HERE, QUICK, THERE, agent, attached

ME, OTHER, DEV = Principal("agent", "owner"), Principal("agent", "other"), Principal("person", "dev")
ADDRESS = "127.0.0.1:7000"


@dataclass
class House:
    """A registrar, and what is behind it."""

    registry: MemoryRegistry
    directory: Directory
    clock: Clock
    drained: list[tuple[float | None, float]] = field(default_factory=list)

    @property
    def registrar(self) -> Registrar:
        """The registrar of this node."""
        return Registrar(self.registry, self.directory, HERE, self.drain)

    async def drain(self, node_id: str, seconds: float | None, wait: float) -> Progress:
        """Note it, and tell the mesh."""
        self.drained.append((seconds, wait))
        await self.directory.reached(await self.registry.set_status(node_id, NodeStatus.DRAINING))
        return Progress(3, drained=wait > 0)

    async def register(self, name: str = "a") -> Instance:
        """Register an endpoint of my own."""
        return (await self.registrar.register(agent(name), ADDRESS, None, ME))[1]


@asynccontextmanager
async def housed() -> AsyncIterator[House]:
    """A registrar in a mesh of two nodes."""
    clock = Clock()
    registry = MemoryRegistry(clock)
    for node in (HERE, THERE):
        await registry.join(Node(node, node), 15)
    async with Directory.following(registry, QUICK) as directory:
        yield House(registry, directory, clock)


async def test_what_is_registered_is_found_at_once() -> None:
    """With this node, its owner and its lease."""
    async with housed() as house:
        entry, instance = await house.registrar.register(agent("a"), ADDRESS, None, ME)
        assert house.directory.find("a") == entry
        assert entry.agent.owner == str(ME)
        assert (instance.node, instance.address) == (HERE, ADDRESS)
        assert instance.lease_until == house.clock() + timedelta(seconds=15)


async def test_a_name_that_belongs_to_somebody_else_is_refused() -> None:
    """Whoever came first keeps it."""
    async with housed() as house:
        await house.register()
        with pytest.raises(AgentOwned, match="agent:owner"):
            await house.registrar.register(agent("a"), ADDRESS, None, OTHER)


async def test_a_registration_that_is_wrong_reaches_no_store() -> None:
    """Its lease or its address."""
    async with housed() as house:
        house.registry.lose()
        for address, lease in (("nowhere", 5), (ADDRESS, 0)):
            with pytest.raises(InvalidInput):
                await house.registrar.register(agent("a"), address, lease, ME)


async def test_a_draining_node_takes_no_registrations() -> None:
    """Another one does."""
    async with housed() as house:
        await house.registrar.drain(HERE, None, 0)
        with pytest.raises(NodeDraining):
            await house.register()


async def test_a_renewed_lease_is_seen() -> None:
    """Though nobody hears of it."""
    async with housed() as house:
        instance = await house.register()
        house.clock.advance(10)
        renewed = await house.registrar.renew(instance.id, ME)
        assert house.directory.instance(instance.id) == renewed
        assert renewed.lease_until == house.clock() + timedelta(seconds=15)


async def test_a_lease_is_renewed_by_its_owner_in_time_or_not_at_all() -> None:
    """A stranger, one too late, and one that nobody knows."""
    async with housed() as house:
        instance = await house.register()
        with pytest.raises(AgentOwned):
            await house.registrar.renew(instance.id, OTHER)
        house.clock.advance(16)
        with pytest.raises(LeaseEnded):
            await house.registrar.renew(instance.id, ME)
        with pytest.raises(InstanceNotFound):
            await house.registrar.renew(fresh_uuid(), ME)


async def test_an_instance_is_removed_once() -> None:
    """Removing what is gone changes nothing."""
    async with housed() as house:
        instance = await house.register()
        with pytest.raises(AgentOwned):
            await house.registrar.remove_instance(instance.id, OTHER)
        assert await house.registrar.remove_instance(instance.id, ME) == 1
        assert house.directory.find("a").instances == ()
        assert await house.registrar.remove_instance(instance.id, ME) == 0


async def test_an_agent_is_removed_with_its_endpoints() -> None:
    """By its owner, once."""
    async with housed() as house:
        await house.register()
        await house.register()
        with pytest.raises(AgentOwned):
            await house.registrar.remove_agent("a", OTHER)
        assert await house.registrar.remove_agent("a", ME) == 2
        assert "a" not in house.directory
        assert await house.registrar.remove_agent("a", ME) == 0


async def test_what_a_node_holds_is_not_removed_from_afar() -> None:
    """Neither the agent nor the instance, until it is stopped where it runs."""
    async with housed() as house:
        held, revision = await house.registry.register(agent("a"), str(ME), attached("a", THERE))
        await house.directory.reached(revision)
        with pytest.raises(AgentHeld, match=THERE):
            await house.registrar.remove_agent("a", ME)
        with pytest.raises(AgentHeld, match=THERE):
            await house.registrar.remove_instance(held.id, ME)


async def test_fields_are_changed_by_name_and_the_rest_is_kept() -> None:
    """And the change can be read at once."""
    async with housed() as house:
        await house.register()
        entry = await house.registrar.update("a", {"enabled": False, "tags": ("x",)}, ME)
        assert entry == house.directory.find("a")
        assert not entry.agent.enabled
        assert entry.agent.descriptor.tags == ("x",)
        assert entry.agent.descriptor.category == "general"


async def test_a_change_is_checked_before_it_is_written() -> None:
    """Its form, its size, and who asks."""
    async with housed() as house:
        await house.register()
        before = house.directory.revision
        for changes in ({"category": "No Name"}, {"tags": ("UP",)}, {"config": {"x": "y" * 70_000}}):
            with pytest.raises(InvalidInput):
                await house.registrar.update("a", changes, ME)
        with pytest.raises(AgentOwned):
            await house.registrar.update("a", {"enabled": False}, OTHER)
        with pytest.raises(AgentNotFound):
            await house.registrar.update("b", {"enabled": False}, ME)
        assert house.directory.revision == before
        assert not (await house.registrar.update("a", {"enabled": False}, DEV)).agent.enabled


async def test_a_node_that_drains_is_told_as_it_stands() -> None:
    """With how far it is."""
    async with housed() as house:
        for node_id in (HERE, THERE):
            node, progress = await house.registrar.drain(node_id, 3.0, 0.5)
            assert (node.id, node.status, progress) == (node_id, NodeStatus.DRAINING, Progress(3, drained=True))
        with pytest.raises(NodeNotFound):
            await house.registrar.drain("nowhere", None, 0)


@pytest.mark.parametrize("status", [NodeStatus.SUSPECT, NodeStatus.GONE, NodeStatus.DRAINING])
async def test_an_endpoint_of_a_node_that_is_not_alive_moves_where_its_lease_is_renewed(status: NodeStatus) -> None:
    """There it is one instance still, of the same id, and callers are sent here."""
    async with housed() as house:
        far = Registrar(house.registry, house.directory, THERE, house.drain)
        _, instance = await far.register(agent("a"), ADDRESS, None, ME)
        assert (await house.registrar.renew(instance.id, ME)).node == THERE
        await house.registry.set_status(THERE, status)
        await house.directory.refreshed()
        moved = await house.registrar.renew(instance.id, ME)
        assert (moved.id, moved.node) == (instance.id, HERE)
        assert [one.node for one in house.directory.find("a").instances] == [HERE]


async def test_a_draining_node_renews_and_sends_the_endpoint_elsewhere() -> None:
    """Its calls under way may still need it; the next renewal is for another node."""
    async with housed() as house:
        instance = await house.register()
        await house.registrar.drain(HERE, None, 0)
        house.clock.advance(10)
        with pytest.raises(NodeDraining):
            await house.registrar.renew(instance.id, ME)
        house.clock.advance(10)
        assert await house.registry.sweep() == 0


async def test_nothing_is_changed_while_the_store_is_away() -> None:
    """Each change says so at once."""
    async with housed() as house:
        instance, registrar = await house.register(), house.registrar
        house.registry.lose()
        for attempt in (
            registrar.register(agent("b"), ADDRESS, None, ME),
            registrar.renew(instance.id, ME),
            registrar.remove_instance(instance.id, ME),
            registrar.remove_agent("a", ME),
            registrar.update("a", {"enabled": False}, ME),
            registrar.drain(THERE, None, 0),
        ):
            with pytest.raises(StoreUnavailable):
                await attempt
