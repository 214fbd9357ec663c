"""What keeps the registry, as a port.

Every method raises StoreUnavailable, within about a second, when the store is away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from a2a_node.model.agents import AgentDescriptor, Instance, RegisteredAgent
from a2a_node.model.nodes import Node, NodeStatus


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole registry as of one revision."""

    revision: int
    agents: Sequence[RegisteredAgent]
    instances: Sequence[Instance]
    nodes: Sequence[Node]


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed up to `revision`: all that is known now of whatever changed, and the names that went away."""

    revision: int
    agents: Sequence[RegisteredAgent] = ()  # changed themselves or in their instances
    instances: Sequence[Instance] = ()  # all instances of those agents
    nodes: Sequence[Node] = ()
    removed_agents: Sequence[str] = ()
    removed_nodes: Sequence[str] = ()


UPDATABLE = ("enabled", "config", "description", "category", "tags", "max_revisits", "needs_call_token")

NODE_MEMORY = 86_400.0  # seconds after the end of its lease until a node is forgotten


class Registry(Protocol):
    """The truth about agents, instances and nodes. Every change gets a revision; revisions grow in commit order."""

    async def join(self, node: Node, lease: float) -> Node | None:
        """Enter a node, its lease in seconds; the node as it was entered.

        Its hosted and attached instances of before are removed. The newest process of an id is the node: one that was
        there before names its `started_at` when it enters again, and gets None where another has taken its place.
        """

    async def renew_node(self, node_id: str, lease: float, started_at: datetime | None = None) -> bool:
        """Keep a node's lease; False when it is unknown, gone, or not of that start any more (join again).

        Makes no revision, unless the node was suspect: then it is alive again.
        """

    async def set_status(self, node_id: str, status: NodeStatus) -> int:
        """Change how a node stands; NodeNotFound."""

    async def leave(self, node_id: str, started_at: datetime | None = None) -> int:
        """Remove a node's hosted and attached instances and mark it gone.

        An unknown one changes nothing, and a process of that start that was replaced neither.
        """

    async def give_up(self, node_id: str) -> bool:
        """Let a suspect or draining node go as if it had left, where its lease is over; False when it is not."""

    async def register(
        self, agent: AgentDescriptor, owner: str, instance: Instance, lease: float = 0.0
    ) -> tuple[Instance, int]:
        """Register or update the agent and add the instance; AgentOwned, NodeNotFound. `lease`: its own, seconds or 0.

        The instance's id is a fresh UUID; registering the same one again replaces it, so that a repeat does no harm.

        The newest registration decides version, description, category, tags, capabilities and max_revisits; `enabled`
        and `config` are kept from what is there, and so is `needs_call_token` where it is true.
        """

    async def renew(self, instance_id: str) -> Instance:
        """Keep an endpoint's lease for its own span again; LeaseEnded, InstanceNotFound. Makes no revision."""

    async def move(self, instance_id: str, node_id: str) -> tuple[Instance, int]:
        """Reach an endpoint through another node from now on; InstanceNotFound, NodeNotFound."""

    async def remove_instances(self, instance_ids: Sequence[str]) -> tuple[int, int]:
        """Remove instances; how many there were, and the revision."""

    async def remove_agent(self, name: str) -> tuple[int, int]:
        """Remove an agent and its instances; how many instances, and the revision. AgentNotFound."""

    async def update(self, name: str, changes: Mapping[str, object]) -> int:
        """Change fields of an agent that are UPDATABLE; AgentNotFound, InvalidInput for other fields."""

    async def sweep(self) -> int:
        """Tidy up after leases that are over by the store's clock; how many instances were removed.

        Endpoint instances are removed, nodes that were alive become suspect, and nodes are forgotten, with all that is
        left of them, NODE_MEMORY after their lease. Costs one small read when there is nothing to do.
        """

    async def snapshot(self) -> Snapshot:
        """Everything, as of one revision."""

    async def changes(self, after: int) -> Changes | None:
        """What changed after that revision; None when this is not kept, or is so much that a snapshot costs less."""

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of revisions that are committed after the block began, of the latest only when several wait.

        The iterator raises StoreUnavailable, within seconds, when it is cut off.
        """
