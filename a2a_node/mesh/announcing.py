"""Hosted agents enter the registry when the node joins, and again whenever it has to join anew."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from a2a_node.agent import Agent
from a2a_node.model.agents import Instance, InstanceKind
from a2a_node.model.registry_ports import Registry


async def announced(registry: Registry, node_id: str, agents: Mapping[str, Agent], owner: str) -> int:
    """Register every hosted agent with one instance on this node; the last revision. AgentOwned, StoreUnavailable."""
    revision = 0
    for agent in agents.values():
        descriptor = agent.descriptor
        instance = Instance(str(uuid4()), descriptor.name, node_id, InstanceKind.HOSTED, version=descriptor.version)
        _, revision = await registry.register(descriptor, owner, instance)
    return revision
