"""Instances that are gone and that the registry is told of."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from a2a_node.mesh.background import background
from a2a_node.mesh.departures import Departures
from a2a_node.model.agents import Instance
from a2a_node.testing import MemoryRegistry
from tests.unit.mesh.samples import OWNER, agent, attached, joined


class Told(MemoryRegistry):
    """A registry that counts how often it is told, and wakes whoever waits for that."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[int] = []
        self.tried = asyncio.Event()

    async def remove_instances(self, instance_ids: Sequence[str]) -> tuple[int, int]:
        """Note the attempt."""
        self.tried.set()
        removed = await super().remove_instances(instance_ids)
        self.told.append(removed[0])
        return removed


async def living(registry: MemoryRegistry) -> set[str]:
    """The instances that the registry knows."""
    return {instance.id for instance in (await registry.snapshot()).instances}


@pytest.fixture
async def registry() -> Told:
    """A registry with this node in it."""
    return await joined(Told())


@pytest.fixture
async def instances(registry: Told) -> list[Instance]:
    """Three attached copies of an agent."""
    here = [attached("a") for _ in range(3)]
    for instance in here:
        await registry.register(agent("a"), OWNER, instance)
    return here


async def settled(registry: Told, left: set[str]) -> None:
    """Wait until the registry knows these instances only."""
    async with asyncio.timeout(5):
        while await living(registry) != left:
            registry.tried.clear()
            await registry.tried.wait()
            await asyncio.sleep(0)


async def test_many_departures_are_told_at_once(registry: Told, instances: list[Instance]) -> None:
    """One change of the registry, however many there are."""
    departures = Departures(registry)
    for instance in instances:
        departures.add(instance.id)
    async with background(departures.tell):
        await settled(registry, set())
    assert registry.told == [3]


async def test_what_cannot_be_told_now_is_told_later(registry: Told, instances: list[Instance]) -> None:
    """Once the store is back."""
    departures = Departures(registry, retry=0.001)
    registry.lose()
    departures.add(instances[0].id)
    async with background(departures.tell):
        await registry.tried.wait()
        registry.recover()
        await settled(registry, {instances[1].id, instances[2].id})


async def test_the_oldest_is_forgotten_when_too_many_wait(registry: Told, instances: list[Instance]) -> None:
    """The node's next join removes it all the same."""
    departures = Departures(registry, kept=2)
    for instance in instances:
        departures.add(instance.id)
    async with background(departures.tell):
        await settled(registry, {instances[0].id})
