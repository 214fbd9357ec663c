"""A copy of the registry, kept by somebody who hears of changes only."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from a2a_node.model.agents import Instance, RegisteredAgent
from a2a_node.model.nodes import Node
from a2a_node.model.registry_ports import Changes, Registry, Snapshot

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass
class Copy:
    """What is known of the registry, by name."""

    revision: int = 0
    agents: dict[str, RegisteredAgent] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)

    async def follow(self, registry: Registry) -> None:
        """Take in what changed since."""
        changes = await registry.changes(self.revision)
        assert changes is not None
        self.take(changes)

    def take(self, changes: Changes) -> None:
        """Put what is known now in place of what was known of the same names."""
        touched = {agent.name for agent in changes.agents} | {*changes.removed_agents}
        self.revision = changes.revision
        self.agents = {name: agent for name, agent in self.agents.items() if name not in touched}
        self.agents |= {agent.name: agent for agent in changes.agents}
        self.instances = {key: known for key, known in self.instances.items() if known.agent not in touched}
        self.instances |= {instance.id: instance for instance in changes.instances}
        self.nodes = {name: node for name, node in self.nodes.items() if name not in changes.removed_nodes}
        self.nodes |= {node.id: node for node in changes.nodes}

    def without_leases(self) -> Copy:
        """The same but for the ends of leases, because nobody hears of renewals."""
        return Copy(
            self.revision,
            self.agents,
            {key: replace(instance, lease_until=None) for key, instance in self.instances.items()},
            {key: replace(node, lease_until=None) for key, node in self.nodes.items()},
        )

    def without_times(self) -> Copy:
        """The same but for all times and the ids that the store chose: what two stores have in common."""
        return Copy(
            self.revision,
            {key: _timeless(agent) for key, agent in self.agents.items()},
            {key: replace(instance, lease_until=None, created_at=None) for key, instance in self.instances.items()},
            {key: replace(node, lease_until=None, started_at=None) for key, node in self.nodes.items()},
        )


def copied(snapshot: Snapshot) -> Copy:
    """What somebody knows who has just read everything."""
    return Copy(
        snapshot.revision,
        {agent.name: agent for agent in snapshot.agents},
        {instance.id: instance for instance in snapshot.instances},
        {node.id: node for node in snapshot.nodes},
    )


def _timeless(agent: RegisteredAgent) -> RegisteredAgent:
    return replace(agent, id="", deployed_at=NEVER, created_at=NEVER, updated_at=NEVER)
