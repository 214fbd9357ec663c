"""What every registry promises where two processes take themselves for one node: the newest is the node."""

from __future__ import annotations

from dataclasses import replace

from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.registry_ports import Registry
from tests.contract.registries import House
from tests.contract.test_registry import ECHO, LEASE, NODE, copy_of, the_node


async def two(house: House) -> tuple[Registry, Node, Node]:
    """A registry, the node as its first process entered it, and as a second one did later, with an agent."""
    old = await house.registry.join(NODE, LEASE)
    await house.registry.register(ECHO, "ann", copy_of("echo"))
    await house.elapse(1.0)
    new = await house.registry.join(replace(NODE, address="127.0.0.1:3"), LEASE)
    assert old is not None
    assert new is not None
    await house.registry.register(ECHO, "ann", copy_of("echo"))
    return house.registry, old, new


async def test_the_newest_process_is_the_node(house: House) -> None:
    """What the one before it held is gone."""
    registry, old, new = await two(house)
    assert old.started_at != new.started_at
    assert (await the_node(registry)).address == "127.0.0.1:3"
    assert len((await registry.snapshot()).instances) == 1


async def test_a_process_that_was_replaced_keeps_no_lease_and_cannot_enter_again(house: House) -> None:
    """Nor does it end what is not its own."""
    registry, old, new = await two(house)
    before = await registry.snapshot()
    assert not await registry.renew_node(NODE.id, LEASE, old.started_at)
    assert await registry.join(old, LEASE) is None
    await registry.leave(NODE.id, old.started_at)
    assert await registry.snapshot() == before
    assert await registry.renew_node(NODE.id, LEASE, new.started_at)


async def test_a_process_that_was_not_replaced_enters_again_as_it_was(house: House) -> None:
    """Given up, it comes back with its start; its instances are registered anew."""
    registry, _, new = await two(house)
    await registry.leave(NODE.id, new.started_at)
    assert not await registry.renew_node(NODE.id, LEASE, new.started_at)
    again = await registry.join(new, LEASE)
    assert again is not None
    assert (again.started_at, again.status) == (new.started_at, NodeStatus.ALIVE)
    assert [*(await registry.snapshot()).instances] == []
