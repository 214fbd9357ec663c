"""Agents that join those of this process while it runs, and leave again."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, Self

from a2a_node.mesh.background import background
from a2a_node.mesh.departures import Departures
from a2a_node.mesh.hosted import Hosted, Serves
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.names import fresh_uuid
from a2a_node.model.registry_ports import Registry

Announce = Callable[[], Awaitable[None]]


class Knows(Protocol):
    """The directory, as far as it is needed here."""

    async def reached(self, revision: int) -> None:
        """Wait until what was written as that revision can be read; StoreUnavailable."""


class Hosting:
    """Keeps an instance of each such agent in the registry; made by `keeping`."""

    def __init__(self, hosted: Hosted, registry: Registry, directory: Knows, whose: tuple[str, str]) -> None:
        self._hosted, self._registry, self._directory = hosted, registry, directory
        self._node_id, self._owner = whose
        self._departures = Departures(registry)
        self._here: dict[str, tuple[Serves, Instance]] = {}

    @property
    def node_id(self) -> str:
        """The node that hosts."""
        return self._node_id

    @classmethod
    @asynccontextmanager
    async def keeping(
        cls, hosted: Hosted, registry: Registry, directory: Knows, whose: tuple[str, str]
    ) -> AsyncIterator[Self]:
        """Host agents until the block ends. `whose`: the node's id, and the owner of its agents."""
        hosting = cls(hosted, registry, directory, whose)
        async with background(hosting._departures.tell):
            yield hosting

    @asynccontextmanager
    async def hosting(self, agent: Serves) -> AsyncIterator[Announce]:
        """Host an agent until the block ends; AgentHeld, AgentOwned, InvalidInput and StoreUnavailable refuse it.

        What is yielded tells the mesh that its descriptor is another now, and fails in the same ways. An agent without
        capabilities cannot be called, and is not told of.
        """
        instance = Instance(fresh_uuid(), agent.name, self._node_id, InstanceKind.HOSTED)
        with self._hosted.joined(agent):
            try:
                self._here[instance.id] = (agent, instance)
                await self._announce(agent, instance)
                yield lambda: self._announce(agent, instance)
            finally:
                del self._here[instance.id]
                self._departures.add(instance.id)

    async def reannounce(self) -> None:
        """Register again all that is hosted, after the registry has forgotten it; AgentOwned, StoreUnavailable."""
        for agent, instance in [*self._here.values()]:
            await self._announce(agent, instance)

    async def departed(self) -> None:
        """Wait until the registry knows of all that are not hosted any more."""
        await self._departures.told()

    async def _announce(self, agent: Serves, instance: Instance) -> None:
        descriptor = agent.descriptor
        if descriptor.capabilities:
            _, revision = await self._registry.register(descriptor.checked(), self._owner, instance)
        else:
            _, revision = await self._registry.remove_instances([instance.id])
        if instance.id not in self._here:  # it has left meanwhile, perhaps before it was registered
            self._departures.add(instance.id)
        await self._directory.reached(revision)
