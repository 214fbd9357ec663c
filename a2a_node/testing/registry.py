"""The registry in memory: what the one in Postgres does, for tests that need no Postgres."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from uuid import uuid4

from a2a_node.model.agents import AgentDescriptor, Instance, InstanceKind, RegisteredAgent
from a2a_node.model.errors import (
    AgentNotFound,
    AgentOwned,
    InstanceNotFound,
    InvalidInput,
    LeaseEnded,
    NodeNotFound,
)
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.registry_ports import NODE_MEMORY, UPDATABLE, Changes, Snapshot
from a2a_node.testing.losable import Losable, utc

KEPT = 10_000  # revisions that `changes` can go back
BACKSLASH, NUL = "\\\\", "\\u0000"  # as JSON writes them


class MemoryRegistry(Losable):
    """The port `Registry` on dictionaries."""

    def __init__(self, clock: Callable[[], datetime] = utc, *, kept: int = KEPT) -> None:
        super().__init__(clock)
        self._kept = kept
        self._agents: dict[str, RegisteredAgent] = {}
        self._instances: dict[str, Instance] = {}
        self._leases: dict[str, float] = {}
        self._nodes: dict[str, Node] = {}
        self._changed: dict[tuple[str, str], int] = {}

    async def join(self, node: Node, lease: float) -> Node | None:
        """Enter or re-enter a node; its hosted and attached instances of before are removed."""
        now = self._now()
        if node.started_at and node.id in self._nodes and self._process(node.id, node.started_at) is None:
            return None
        self._nodes[node.id] = replace(node, started_at=node.started_at or now, lease_until=_after(now, lease))
        revision = self._note(agents=self._remove(self._held(node.id)), nodes=[node.id])
        return replace(self._nodes[node.id], revision=revision)

    async def renew_node(self, node_id: str, lease: float, started_at: datetime | None = None) -> bool:
        """Keep a node's lease; a revision is made only when this wakes a suspect."""
        now, node = self._now(), self._process(node_id, started_at)
        if node is None or node.status is NodeStatus.GONE:
            return False
        suspect = node.status is NodeStatus.SUSPECT
        status = NodeStatus.ALIVE if suspect else node.status
        self._nodes[node_id] = replace(node, status=status, lease_until=_after(now, lease))
        if suspect:
            self._note(nodes=[node_id])
        return True

    async def set_status(self, node_id: str, status: NodeStatus) -> int:
        """Change how a node stands."""
        self._now()
        if node_id not in self._nodes:
            raise NodeNotFound(node_id)
        self._nodes[node_id] = replace(self._nodes[node_id], status=status)
        return self._note(nodes=[node_id])

    async def leave(self, node_id: str, started_at: datetime | None = None) -> int:
        """Remove a node's hosted and attached instances and mark it gone; nothing to do when it is unknown."""
        now = self._now()
        if self._process(node_id, started_at) is None:
            return self._revision
        self._nodes[node_id] = replace(self._nodes[node_id], status=NodeStatus.GONE, lease_until=now)
        return self._note(agents=self._remove(self._held(node_id)), nodes=[node_id])

    async def give_up(self, node_id: str) -> bool:
        """Let a suspect or draining node go as if it had left, where its lease is over; False when it is not."""
        now, node = self._now(), self._nodes.get(node_id)
        silent = node is not None and node.status in (NodeStatus.SUSPECT, NodeStatus.DRAINING)
        if node is None or not silent or node.lease_until is None or node.lease_until > now:
            return False
        self._nodes[node_id] = replace(node, status=NodeStatus.GONE)
        self._note(agents=self._remove(self._held(node_id)), nodes=[node_id])
        return True

    async def register(
        self, agent: AgentDescriptor, owner: str, instance: Instance, lease: float = 0.0
    ) -> tuple[Instance, int]:
        """Register or update the agent and add the instance."""
        now, known, before = self._now(), self._agents.get(agent.name), self._instances.get(instance.id)
        _check_storable(agent)
        if known is not None and known.owner != owner:
            raise AgentOwned(agent.name, known.owner)
        if instance.node not in self._nodes:
            raise NodeNotFound(instance.node)
        if before is not None and before.agent != agent.name:
            raise InvalidInput("instance_id", f"{instance.id!r} is an instance of another agent")
        self._agents[agent.name] = _updated(known, agent, now) if known else _new(agent, owner, now)
        self._leases[instance.id] = lease
        self._instances[instance.id] = replace(
            instance,
            agent=agent.name,
            lease_until=_after(now, lease) if lease else None,
            created_at=before.created_at if before else now,
        )
        return self._instances[instance.id], self._note(agents=[agent.name])

    async def renew(self, instance_id: str) -> Instance:
        """Keep an endpoint's lease for its own span again."""
        now, instance = self._now(), self._instances.get(instance_id)
        if instance is None:
            raise InstanceNotFound(instance_id)
        if instance.lease_until is None:
            return instance
        if instance.lease_until <= now:
            raise LeaseEnded(instance_id)
        self._instances[instance_id] = replace(instance, lease_until=_after(now, self._leases[instance_id]))
        return self._instances[instance_id]

    async def move(self, instance_id: str, node_id: str) -> tuple[Instance, int]:
        """Reach an endpoint through another node from now on."""
        self._now()
        instance = self._instances.get(instance_id)
        if instance is None or instance.kind is not InstanceKind.ENDPOINT:
            raise InstanceNotFound(instance_id)
        if node_id not in self._nodes:
            raise NodeNotFound(node_id)
        self._instances[instance_id] = replace(instance, node=node_id)
        return self._instances[instance_id], self._note(agents=[instance.agent])

    async def remove_instances(self, instance_ids: Sequence[str]) -> tuple[int, int]:
        """Remove instances; how many there were, and the revision."""
        self._now()
        removed = self._remove([known for known in {*instance_ids} if known in self._instances])
        return len(removed), self._note(agents=removed) if removed else self._revision

    async def remove_agent(self, name: str) -> tuple[int, int]:
        """Remove an agent and its instances; how many instances, and the revision."""
        self._now()
        if self._agents.pop(name, None) is None:
            raise AgentNotFound(name)
        removed = self._remove([instance.id for instance in self._instances.values() if instance.agent == name])
        return len(removed), self._note(agents=[name])

    async def update(self, name: str, changes: Mapping[str, object]) -> int:
        """Change what is named of an agent, and nothing else."""
        self._now()
        for field in changes:
            if field not in UPDATABLE:
                raise InvalidInput(field, f"cannot be changed; these can: {', '.join(UPDATABLE)}")
        if name not in self._agents:
            raise AgentNotFound(name)
        agent, described = self._agents[name], {**changes}
        enabled = bool(described.pop("enabled", agent.enabled))
        descriptor = replace(agent.descriptor, **described)  # type: ignore[arg-type]  # as typed as the mapping is
        _check_storable(descriptor)
        self._agents[name] = replace(agent, descriptor=descriptor, enabled=enabled)
        return self._note(agents=[name])

    async def sweep(self) -> int:
        """Tidy up after those whose lease is over; how many instances were removed."""
        now = self._now()
        long_ago = _after(now, -NODE_MEMORY)
        forgotten = [node.id for node in self._nodes.values() if node.lease_until and node.lease_until <= long_ago]
        lapsed = [
            instance.id
            for instance in self._instances.values()
            if instance.node in forgotten or (instance.lease_until and instance.lease_until <= now)
        ]
        for node_id in forgotten:
            del self._nodes[node_id]
        silent = self._suspect(now)
        removed = self._remove(lapsed)
        if removed or silent or forgotten:
            self._note(agents=removed, nodes=[*silent, *forgotten])
        return len(removed)

    async def snapshot(self) -> Snapshot:
        """Everything, as of one revision."""
        self._now()
        return Snapshot(self._revision, [*self._agents.values()], [*self._instances.values()], [*self._nodes.values()])

    async def changes(self, after: int) -> Changes | None:
        """What changed after that revision; None when a snapshot is needed instead."""
        self._now()
        if not self._revision - self._kept <= after <= self._revision:
            return None
        names: dict[str, set[str]] = {"agent": set(), "node": set()}
        for (kind, name), revision in self._changed.items():
            if revision > after:
                names[kind].add(name)
        return Changes(
            self._revision,
            [agent for name, agent in self._agents.items() if name in names["agent"]],
            [instance for instance in self._instances.values() if instance.agent in names["agent"]],
            [node for name, node in self._nodes.items() if name in names["node"]],
            sorted(names["agent"] - self._agents.keys()),
            sorted(names["node"] - self._nodes.keys()),
        )

    def _process(self, node_id: str, started_at: datetime | None) -> Node | None:
        node = self._nodes.get(node_id)
        return None if node is None or started_at not in (None, node.started_at) else node

    def _note(self, agents: Iterable[str] = (), nodes: Iterable[str] = ()) -> int:
        """Number the change, stamp what changed, write its names down, tell all."""
        now, revision = self._clock(), self._revision + 1
        for name in agents:
            self._changed["agent", name] = revision
            if name in self._agents:
                self._agents[name] = replace(self._agents[name], updated_at=now, revision=revision)
        for name in nodes:
            self._changed["node", name] = revision
            if name in self._nodes:
                self._nodes[name] = replace(self._nodes[name], revision=revision)
        return self._commit()

    def _held(self, node_id: str) -> list[str]:
        """The instances that only the node's process keeps alive."""
        return [
            instance.id
            for instance in self._instances.values()
            if instance.node == node_id and instance.kind is not InstanceKind.ENDPOINT
        ]

    def _remove(self, instance_ids: Sequence[str]) -> list[str]:
        """Remove instances; the agents that they were copies of, one for each."""
        for instance_id in instance_ids:
            self._leases.pop(instance_id)
        return [self._instances.pop(instance_id).agent for instance_id in instance_ids]

    def _suspect(self, now: datetime) -> list[str]:
        """Suspect the nodes that were alive and whose lease is over."""
        silent = [
            node
            for node in self._nodes.values()
            if node.status is NodeStatus.ALIVE and node.lease_until and node.lease_until <= now
        ]
        self._nodes |= {node.id: replace(node, status=NodeStatus.SUSPECT) for node in silent}
        return [node.id for node in silent]


def _after(now: datetime, seconds: float) -> datetime:
    return now + timedelta(seconds=seconds)


def _new(agent: AgentDescriptor, owner: str, now: datetime) -> RegisteredAgent:
    return RegisteredAgent(
        agent,
        id=str(uuid4()),
        owner=owner,
        enabled=True,
        deployed_at=now,
        created_at=now,
        updated_at=now,
        revision=0,
    )


def _updated(known: RegisteredAgent, agent: AgentDescriptor, now: datetime) -> RegisteredAgent:
    deployed_at = known.deployed_at if known.descriptor.version == agent.version else now
    before = known.descriptor
    bound = before.needs_call_token or agent.needs_call_token
    return replace(
        known, descriptor=replace(agent, config=before.config, needs_call_token=bound), deployed_at=deployed_at
    )


def _check_storable(agent: AgentDescriptor) -> None:
    try:
        text = json.dumps(asdict(agent), allow_nan=False).replace(BACKSLASH, "")
    except ValueError:
        text = NUL
    if NUL in text:
        raise InvalidInput("request", "holds a NUL character, or a number that cannot be kept")
