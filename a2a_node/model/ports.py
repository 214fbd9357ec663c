"""What the rooms need of each other, said as Protocols; `node.py` introduces them.

Every method of a store raises StoreUnavailable, within about a second, when the store is away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from a2a_node.model.agents import AgentDescriptor, Instance, RegisteredAgent
from a2a_node.model.call import Call
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.payload import Payload
from a2a_node.model.state import CachedValue, Message, Outcome, Session, Trimmed


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


class Registry(Protocol):
    """The truth about agents, instances and nodes. Every change gets a revision; revisions grow in commit order."""

    async def join(self, node: Node, lease: float) -> int:
        """Enter or re-enter a node, its lease in seconds; its hosted and attached instances of before are removed."""

    async def renew_node(self, node_id: str, lease: float) -> bool:
        """Keep a node's lease; False when it is not registered any more (join again). Makes no revision."""

    async def set_status(self, node_id: str, status: NodeStatus) -> int:
        """Change how a node stands; NodeNotFound."""

    async def leave(self, node_id: str) -> int:
        """Remove a node's hosted and attached instances and mark it gone."""

    async def register(
        self, agent: AgentDescriptor, owner: str, instance: Instance, lease: float = 0.0
    ) -> tuple[Instance, int]:
        """Register or update the agent and add the instance; AgentOwned. `lease` is its own in seconds, or 0.

        The newest registration decides version, description, category, tags, capabilities and max_revisits; `enabled`
        and `config` are kept from what is there.
        """

    async def renew(self, instance_id: str) -> Instance:
        """Keep an endpoint's lease for its own span again; LeaseEnded, InstanceNotFound. Makes no revision."""

    async def remove_instances(self, instance_ids: Sequence[str]) -> tuple[int, int]:
        """Remove instances; how many there were, and the revision."""

    async def remove_agent(self, name: str) -> tuple[int, int]:
        """Remove an agent and its instances; how many instances, and the revision. AgentNotFound."""

    async def update(self, name: str, changes: Mapping[str, object]) -> int:
        """Change `enabled`, `config`, `description`, `category`, `tags` or `max_revisits`; AgentNotFound."""

    async def sweep(self) -> int:
        """Remove endpoint instances whose lease is over by the store's clock; how many."""

    async def snapshot(self) -> Snapshot:
        """Everything, as of one revision."""

    async def changes(self, after: int) -> Changes | None:
        """What changed after that revision; None when this is no longer kept (take a snapshot)."""

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of new revisions as they are committed; the iterator raises StoreUnavailable when it is cut off."""


class Sessions(Protocol):
    """Sessions with sliding expiry. Every read and change moves `expires_at` to now + ttl."""

    async def create(self, session: Session) -> Session:
        """Keep a new session; SessionExists."""

    async def get(self, session_id: str) -> Session:
        """Read and keep alive; SessionNotFound."""

    async def update(
        self, session_id: str, data: Mapping[str, object], *, expected: int | None, merge: bool
    ) -> Session:
        """Replace the data, or merge its keys (None deletes one); VersionConflict unless `expected` fits or is None."""

    async def touch(self, session_id: str, ttl: float | None) -> Session:
        """Keep alive, with another ttl when one is given; SessionNotFound."""

    async def delete(self, session_id: str) -> bool:
        """Forget; False when there was none."""

    async def list(self, *, user_id: str, agent_id: str, after: str, limit: int) -> Sequence[Session]:
        """Live sessions by id, after an id; empty filters mean all. Does not keep them alive."""


class Values(Protocol):
    """Cached values with a time to live, by namespace and key."""

    async def get(self, namespace: str, key: str) -> CachedValue | None:
        """The value, or None when there is none, or when the store is away: reads miss."""

    async def put(self, namespace: str, key: str, value: CachedValue, *, only_if_absent: bool = False) -> bool:
        """Keep a value for its ttl; False when one was there and `only_if_absent` is set."""

    async def delete(self, namespace: str, key: str) -> bool:
        """Forget a value; False when there was none."""

    async def increment(self, namespace: str, key: str, delta: int, ttl: float) -> CachedValue:
        """Add to a whole number; an absent one starts at 0 with that ttl. ValueNotNumber."""


class Topics(Protocol):
    """Messages to whoever listens, the last thousand of a topic kept for an hour."""

    async def publish(self, topic: str, payload: Payload) -> str:
        """Send; the id of the message."""

    def subscribe(self, topic: str, after: str | None) -> AsyncIterator[Message | Trimmed]:
        """Hear what follows the id `after`, or what comes from now on when None; Trimmed first when some were lost."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What became of asking for the right to work: `won`, or the outcome of whoever did it before."""

    won: bool
    outcome: Outcome | None = None


class Outcomes(Protocol):
    """Outcomes that are kept under a key, with at most one worker for each key at a time, mesh-wide."""

    async def claim(self, key: str, digest: str, wait: float) -> Claim:
        """Win the right to work, or wait up to `wait` seconds for the outcome of who has it.

        IdempotencyKeyReused when the key is kept with another digest; DeadlineExceeded when the wait was too short. A
        worker that dies loses its right when its claim's own lease (30 s, renewed while it works) is over.
        """

    async def settle(self, key: str, outcome: Outcome, ttl: float) -> None:
        """Keep the outcome for `ttl` seconds and wake whoever waits."""

    async def release(self, key: str) -> None:
        """Give the right back without an outcome, so that another try may win it."""


class Carrier(Protocol):
    """Takes a call to an instance of one kind: reads `call.requests`, writes `call.reply`, ends when the agent has ended.

    Raises AgentLost when the instance is lost on the way; a cancelled `carry` cancels the agent.
    """

    def reaches(self, instance: Instance) -> bool:
        """Whether a call to it could begin now."""

    def in_flight(self, instance: Instance) -> int:
        """How many calls it has from here."""

    async def carry(self, call: Call, instance: Instance) -> None:
        """Take the call there."""


class Caller(Protocol):
    """Calls agents through the mesh on behalf of an agent at work; `token` continues the call that the agent works on."""

    async def call(
        self, agent: str, capability: str, payload: Payload, *, token: str, time_left: float | None
    ) -> Payload:
        """The one output of a capability; any MeshError."""

    def stream(
        self, agent: str, capability: str, payload: Payload, *, token: str, time_left: float | None
    ) -> AsyncIterator[Payload]:
        """The outputs of a capability; any MeshError."""
