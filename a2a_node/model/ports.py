"""What the rooms need of each other, said as Protocols; `node/` introduces them.

Every method of a store raises StoreUnavailable, within about a second, when the store is away.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from a2a_node.model.agents import AgentDescriptor, Instance, RegisteredAgent
from a2a_node.model.audit import AuditEvent, AuditFilter, ChainHead, Fact, Span
from a2a_node.model.budget import Account, Amounts
from a2a_node.model.call import Call, Terms
from a2a_node.model.grants import Decision, Grant, NewGrant, PermissionRequest, RequestStatus
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.payload import Payload
from a2a_node.model.secrets import Secret
from a2a_node.model.state import CachedValue, Counter, Message, NewSession, Outcome, Session, TopicEvent

SessionPlace: TypeAlias = tuple[datetime, str]  # where a session stands in a list: when it was made, and its id


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


class Sessions(Protocol):
    """Sessions with sliding expiry: every read and change moves `expires_at` to now + ttl, by the store's clock."""

    async def create(self, new: NewSession) -> Session:
        """Keep a new session at version 1; SessionExists, PayloadTooLarge."""

    async def get(self, session_id: str, *, peek: bool = False) -> Session:
        """Read and keep alive, or only `peek`; SessionNotFound."""

    async def update(
        self, session_id: str, data: Mapping[str, object], *, expected: int | None, merge: bool
    ) -> Session:
        """Replace the data, or merge its top-level keys (None removes one).

        VersionConflict unless `expected` fits or is None; SessionNotFound, PayloadTooLarge.
        """

    async def touch(self, session_id: str, ttl: float | None = None) -> Session:
        """Keep alive, with another ttl when one is given, without reading the data; SessionNotFound."""

    async def delete(self, session_id: str) -> bool:
        """Forget; False when there was none."""

    async def list(
        self, *, user_id: str = "", agent_id: str = "", after: SessionPlace | None = None, limit: int
    ) -> Sequence[Session]:
        """Live sessions without their data, the newest first, after a place; empty filters mean all.

        Does not keep them alive.
        """


class Values(Protocol):
    """Cached values with a time to live in seconds, by namespace and key."""

    async def get(self, namespace: str, key: str) -> CachedValue | None:
        """The value, or None when there is none, or when the store is away: reads miss."""

    async def put(self, namespace: str, key: str, value: CachedValue, *, only_if_absent: bool = False) -> bool:
        """Keep a value for its ttl; False when one was there and `only_if_absent` is set."""

    async def delete(self, namespace: str, key: str) -> bool:
        """Forget a value; False when there was none."""

    async def increment(self, namespace: str, key: str, delta: int, ttl: float) -> Counter:
        """Add to a whole number of 64 bits; an absent one starts at 0 with that ttl. ValueNotNumber."""


class Topics(Protocol):
    """Messages to whoever listens, the last thousand of a topic kept until an hour after the last one."""

    async def publish(self, namespace: str, topic: str, payload: Payload) -> Message:
        """Append a message and hand it to every subscriber."""

    def subscribe(self, namespace: str, topic: str, after: int | None = None) -> AsyncGenerator[TopicEvent, None]:
        """`Started`, then every message after the id `after` once and in order: 0 from the oldest, None from now on.

        A `Gap` stands for messages that are no longer kept, another `Started` for a topic that began again.
        TooManySubscribers. Whoever stops before the end closes the generator.
        """


class Claim(Protocol):
    """The right to work under a key, or the outcome of whoever did the work before."""

    @property
    def outcome(self) -> Outcome | None:
        """What was kept; None when the work is this caller's."""

    async def settle(self, outcome: Outcome, ttl: float) -> None:
        """Keep the outcome for `ttl` seconds and wake whoever waits.

        StoreUnavailable when the right was lost meanwhile: another one may work, or have another outcome.
        """


class Outcomes(Protocol):
    """Outcomes that are kept under a key, with at most one worker for each key at a time, mesh-wide."""

    def claim(
        self, key: str, digest: str, wait: float, *, exclusive: bool = True
    ) -> AbstractAsyncContextManager[Claim]:
        """Win the right to work, or wait up to `wait` seconds for the outcome of who has it.

        IdempotencyKeyReused when the key is kept with another digest; DeadlineExceeded when the wait was too short.
        Leaving the block without settling gives the right back. A worker that dies loses it when its lease (30 s,
        renewed inside the block) is over. An exclusive worker whose lease could not be renewed is stopped with
        StoreUnavailable before another may win; one that is not exclusive works on.
        """


class Carrier(Protocol):
    """Takes a call to an instance of one kind: reads `call.requests`, writes `call.reply`, ends when the agent does.

    Raises AgentLost when the instance is lost on the way; a cancelled `carry` cancels the agent.
    """

    def reaches(self, instance: Instance) -> bool:
        """Whether a call to it could begin now."""

    async def carry(self, call: Call, instance: Instance) -> None:
        """Take the call there."""


class Caller(Protocol):
    """Calls agents through the mesh on behalf of an agent at work, whose call the terms' token continues."""

    async def call(self, agent: str, capability: str, payload: Payload, terms: Terms) -> Payload:
        """The one output of a capability; any MeshError."""

    def stream(self, agent: str, capability: str, payload: Payload, terms: Terms) -> AsyncIterator[Payload]:
        """The outputs of a capability; any MeshError."""


GrantPlace: TypeAlias = tuple[datetime, str]  # where a grant or a request stands in a list: its time, and its id


@dataclass(frozen=True, slots=True)
class GrantChanges:
    """Grants as of one revision: all that hold, or those that changed after another revision, ended ones among them.

    `bound` names agents and the resources in which they were ever given something, as `(agent:NAME, resource)`.
    """

    revision: int
    now: datetime  # by the store's clock
    grants: Sequence[Grant]
    bound: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class GrantFilter:
    """Which grants to list; what is empty is not looked at."""

    granted_to: str = ""
    granted_by: str = ""
    permission: str = ""  # those that would allow it
    parent: str = ""
    ended: bool = False  # those that ended, too


class Grants(Protocol):
    """The truth about grants and requests for them. Changes of grants get revisions that grow in commit order."""

    async def give(self, new: NewGrant) -> tuple[Grant, int]:
        """Keep a new grant; its revision. GrantTooWide unless its parent holds and is wider, GrantNotFound."""

    async def revoke(self, grant_id: str) -> tuple[Grant, int, int]:
        """End a grant and all that hangs from it; the grant, how many ended now, and the revision. GrantNotFound."""

    async def find(self, grant_id: str) -> Grant:
        """A grant, be it ended; GrantNotFound."""

    async def list(self, wanted: GrantFilter, after: GrantPlace | None, limit: int) -> Sequence[Grant]:
        """Grants that fit, the newest first, after a place."""

    async def claim(self, grant_id: str, count: int) -> int | None:
        """Count out the next `count` uses; the number of the first, from 0. None when the grant has ended.

        Makes no revision.
        """

    async def ask(self, requester: str, permission: str, justification: str, ttl: float | None) -> PermissionRequest:
        """Keep a request, or find the one that this requester has pending for this permission.

        InvalidInput when MOST_PENDING are pending.
        """

    async def request(self, request_id: str) -> PermissionRequest:
        """A request; RequestNotFound."""

    async def decide(self, decision: Decision) -> tuple[PermissionRequest, Grant | None, int]:
        """Settle a request, with its grant where it is approved, and the revision; RequestDecided, RequestNotFound.

        GrantTooWide and GrantNotFound as with `give`; then the request is as it was.
        """

    async def requests(
        self, requester: str, status: RequestStatus | None, after: GrantPlace | None, limit: int
    ) -> Sequence[PermissionRequest]:
        """Requests that fit, the newest first, after a place; an empty requester and None mean all."""

    async def snapshot(self) -> GrantChanges:
        """All grants that hold."""

    async def changes(self, after: int) -> GrantChanges | None:
        """What changed after that revision; None when a snapshot is needed instead."""

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of revisions that are committed after the block began, as with the registry."""


class MeshSecrets(Protocol):
    """The secrets that all nodes of the mesh share, to know each other's word by."""

    async def current(self) -> tuple[float, Sequence[Secret]]:
        """The store's time and the secrets, the oldest first, never none.

        A first or a next one is made when it is `due`, one for the whole mesh; what is `outlived` is forgotten.
        """


class AuditLog(Protocol):
    """The truth about what happened: events, in one chain for each node, that are only ever appended.

    Each has a position as well: positions grow by one, in the order of writing, over the chains of all nodes.
    """

    async def append(self, node_id: str, facts: Sequence[Fact]) -> Sequence[AuditEvent]:
        """Keep facts at the end of a node's chain, all or none; those that are kept already are left out."""

    async def list(self, wanted: AuditFilter, span: Span, before: int | None, limit: int) -> Sequence[AuditEvent]:
        """Events that fit, the newest first, those before a position."""

    async def after(self, position: int, limit: int) -> Sequence[AuditEvent]:
        """Events after a position, in the order of writing, each with how many are missing before it in its chain."""

    async def position(self) -> int:
        """The position of the newest event; 0 where there is none."""

    async def heads(self, node_id: str = "") -> Sequence[ChainHead]:
        """The ends of all chains, or of one, by the names of their nodes."""

    async def chain(self, node_id: str, after: int, limit: int) -> Sequence[AuditEvent]:
        """Events of a chain after a sequence, the oldest first."""

    async def anchor(self, node_id: str, before: datetime) -> AuditEvent | None:
        """The last event of a chain before a time; None when there is none."""

    def positions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of positions that are committed after the block began, as of revisions of the registry."""


class Budgets(Protocol):
    """What trees of calls may use and have used, by unit, kept under their root calls. Every method is one trip.

    An account uses what was reported of its own call and what the accounts below it use; what is reserved for a call
    counts as used until it is settled, by whoever; then the rest of it is free again. What a node did not settle counts
    until the tree's time is over. Nothing is reserved beyond a limit; reports count even then.
    """

    async def open(self, root: str, limits: Amounts, ttl: float) -> None:
        """Begin a tree with these limits, kept for `ttl` seconds; CallIdTaken when there is one."""

    async def reserve(self, account: Account, hold: Amounts, used: Amounts) -> Amounts:
        """Admit a child call and hold back so much for it; what its tree has left for it, by unit.

        `used` is what its parent has to report by now; it counts in any case. BudgetExhausted when a unit has nothing
        left or less than the hold, CallIdTaken for a call of the tree that has not ended, StoreUnavailable also for a
        tree that is not known any more.
        """

    async def report(self, account: Account, used: Amounts) -> None:
        """Count what a call has used."""

    async def settle(self, account: Account, used: Amounts, *, worked: bool) -> Amounts:
        """End a call: count what it has used, free what was held back and not used; all that it used, by unit.

        A child call that no agent `worked` for is no call of the tree. Settling again changes nothing but by `used`.
        """
