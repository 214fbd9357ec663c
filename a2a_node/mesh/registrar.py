"""The registrar: changes of the registry that somebody asks for, checked, written, and seen before it answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace

from a2a_node.mesh.admission import check_not_held, check_owner, checked_address, checked_lease
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.entries import Entry
from a2a_node.model.agents import AgentDescriptor, Instance, InstanceKind, checked_config
from a2a_node.model.errors import AgentHeld, AgentNotFound, InstanceNotFound, NodeDraining, NodeNotFound
from a2a_node.model.names import fresh_uuid
from a2a_node.model.nodes import Node, NodeStatus, Progress
from a2a_node.model.principal import Principal
from a2a_node.model.registry_ports import Registry

DEFAULT_LEASE = 15.0  # seconds
Drain = Callable[[str, float | None, float], Awaitable[Progress]]


class Registrar:
    """Changes the registry on behalf of principals; StoreUnavailable while the store is away.

    `drain` drains a node: its id, seconds for running calls or None for the node's own setting, seconds to wait.
    """

    def __init__(self, registry: Registry, directory: Directory, node_id: str, drain: Drain) -> None:
        self._registry = registry
        self._directory = directory
        self._node_id = node_id
        self._drain = drain

    async def register(
        self, agent: AgentDescriptor, address: str, lease: float | None, principal: Principal
    ) -> tuple[Entry, Instance]:
        """Register an endpoint at this node; AgentOwned, InvalidInput, NodeDraining."""
        span = checked_lease(DEFAULT_LEASE if lease is None else lease)
        if self._drains():
            raise NodeDraining(self._node_id)
        copy = Instance(
            id=fresh_uuid(),
            agent=agent.name,
            node=self._node_id,
            kind=InstanceKind.ENDPOINT,
            address=checked_address(address),
            version=agent.version,
        )
        instance, revision = await self._registry.register(agent, str(principal), copy, span)
        await self._directory.reached(revision)
        return self._directory.find(agent.name), instance

    async def renew(self, instance_id: str, principal: Principal) -> Instance:
        """Keep an endpoint's lease; AgentOwned, LeaseEnded, InstanceNotFound.

        An endpoint whose own node is not alive is reached through this one from then on. A node that drains keeps the
        lease, too, and raises NodeDraining, so that the next renewal is asked for elsewhere.
        """
        with suppress(InstanceNotFound, AgentNotFound):  # the registry itself knows best whether it is there
            self._check(instance_id, principal)
        instance = await self._registry.renew(instance_id)
        if self._alive(self._node_id) and not self._alive(instance.node):
            instance, revision = await self._registry.move(instance_id, self._node_id)
            await self._directory.reached(revision)
        self._directory.renewed(instance)
        if self._drains():
            raise NodeDraining(self._node_id)
        return instance

    async def remove_instance(self, instance_id: str, principal: Principal) -> int:
        """Remove one endpoint instance, if it is there; how many were removed. AgentOwned, AgentHeld."""
        await self._directory.refreshed()
        try:
            instance = self._check(instance_id, principal)
        except InstanceNotFound:
            return 0
        if instance.kind is not InstanceKind.ENDPOINT:
            raise AgentHeld(instance.agent, [instance.node])
        removed, revision = await self._registry.remove_instances([instance_id])
        await self._directory.reached(revision)
        return removed

    async def drain_instance(self, agent: str, instance_id: str, principal: Principal) -> None:
        """Have a copy of an agent take no new calls, of whatever kind it is; AgentOwned, InstanceNotFound."""
        await self._directory.refreshed()
        if self._check(instance_id, principal).agent != agent:
            raise InstanceNotFound(instance_id)
        _, revision = await self._registry.remove_instances([instance_id])
        await self._directory.reached(revision)

    async def remove_agent(self, name: str, principal: Principal) -> int:
        """Remove an agent and its endpoint instances, if it is there; how many were removed. AgentOwned, AgentHeld."""
        await self._directory.refreshed()
        try:
            entry = self._directory.find(name)
            check_owner(entry, principal)
            check_not_held(entry)
            removed, revision = await self._registry.remove_agent(name)
        except AgentNotFound:
            return 0
        await self._directory.reached(revision)
        return removed

    async def update(self, name: str, changes: Mapping[str, object], principal: Principal) -> Entry:
        """Change what is named of an agent; AgentNotFound, AgentOwned, InvalidInput."""
        await self._directory.refreshed()
        entry = self._directory.find(name)
        check_owner(entry, principal)
        described = {field: value for field, value in changes.items() if field != "enabled"}
        changed = replace(entry.agent.descriptor, **described).checked()  # type: ignore[arg-type]  # checked right here
        checked_config(changed.config)
        await self._directory.reached(await self._registry.update(name, changes))
        return self._directory.find(name)

    async def drain(self, node_id: str, seconds: float | None, wait: float) -> tuple[Node, Progress]:
        """Tell a node to take no new work, and how far it is, at its end or after a wait; NodeNotFound."""
        progress, node = await self._drain(node_id, seconds, wait), self._directory.node(node_id)
        if node.status is NodeStatus.ALIVE:  # the registry may be away, or not have been heard of yet
            node = replace(node, status=NodeStatus.DRAINING)
        return node, progress

    def _alive(self, node_id: str) -> bool:
        try:
            return self._directory.node(node_id).status is NodeStatus.ALIVE
        except NodeNotFound:
            return False

    def _drains(self) -> bool:
        return self._directory.node(self._node_id).status is NodeStatus.DRAINING

    def _check(self, instance_id: str, principal: Principal) -> Instance:
        instance = self._directory.instance(instance_id)
        check_owner(self._directory.find(instance.agent), principal)
        return instance
