"""A mesh of one agent, one node and one session, in memory, in the place of the client that commands dial."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Self

from a2a_node.client import (
    AgentChange,
    AgentEntry,
    CallsMissed,
    Check,
    EventGap,
    Missed,
    NodeEntry,
    Published,
    Started,
    TapStarted,
    Value,
    Verification,
    WatchStarted,
    Witnessed,
)
from a2a_node.client.limits import Bucket
from a2a_node.client.limits import Standing as LimitStanding
from a2a_node.client.nodes import Drain
from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind, RegisteredAgent
from a2a_node.model.audit import AuditEvent, AuditFilter, AuditOutcome, Break, Fact
from a2a_node.model.errors import MeshError
from a2a_node.model.grants import Grant, PermissionRequest, RequestStatus
from a2a_node.model.limits import Limit, LimitKey, LimitSource, Rate
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.state import Session
from a2a_node.model.tap import EndedCall, TapFilter
from tests.unit.cli.desk_freezes import Freezes
from tests.unit.cli.desk_keys import Keys
from tests.unit.cli.desk_tools import Tools
from tests.unit.cli.desk_workflows import Workflows

THEN = datetime(2026, 11, 23, 12, tzinfo=UTC)
DESCRIPTOR = AgentDescriptor("greeter", "1.2.0", capabilities=(AgentCapability("greet", "Greets."),))
AGENT = RegisteredAgent(DESCRIPTOR, "a-1", "person:dev", True, THEN, THEN, THEN, 7)  # noqa: FBT003 - enabled
INSTANCE = Instance("i-1", "greeter", "node-1", InstanceKind.HOSTED, created_at=THEN)
NODE = Node("node-1", "127.0.0.1:50051", region="north", zone="a", version="0.1.0", started_at=THEN)
SESSION = Session("s-1", "greeter", "ann", {"step": 1}, 3, 60.0, THEN, THEN, THEN)
GRANT = Grant("g-1", "person:dev", "person:ann", "agent:echo:invoke", THEN, conditions=("uses < 5",))
EVENT = AuditEvent(
    Fact("session:create", target="session:s-1", user_id="person:ann", ip_address="10.0.0.7", timestamp=THEN),
    "node-1",
    7,
    "0" * 64,
    "f" * 64,
)
ENDED = EndedCall(
    THEN.timestamp(),
    0.0125,
    "/a2amesh.v1.AgentService/Invoke",
    "greeter",
    "greet",
    "person:ann",
    "person:ann",
    AuditOutcome.SUCCEEDED,
    "",
    "c-1",
    (),
    "",
    "10.0.0.7",
)
LIMIT = Limit(LimitKey("person:ann", "echo", ""), Rate(50, 100), updated_by="person:dev", updated_at=THEN)
REQUEST = PermissionRequest("r-1", "person:ann", "agent:echo:invoke", "to say hello", THEN, THEN)


@dataclass
class Agents:
    """The registry's agents."""

    enabled: bool = True
    filters: dict[str, object] = field(default_factory=dict)

    async def get(self, name: str) -> AgentEntry:
        """The agent."""
        return self._entry(name)

    async def list(self, **only: object) -> AsyncIterator[AgentEntry]:
        """The agent, whatever is asked for."""
        self.filters = only
        yield self._entry("greeter")

    async def watch(self, after: int = 0) -> AsyncIterator[AgentChange]:
        """One change of each kind."""
        yield AgentChange(after + 1, "agent", "greeter", self._entry("greeter"))
        yield AgentChange(after + 1, "current")
        yield AgentChange(after + 2, "removed", "greeter")

    async def update(self, name: str, *, enabled: bool) -> AgentEntry:
        """Switch it."""
        self.enabled = enabled
        return self._entry(name)

    def _entry(self, name: str) -> AgentEntry:
        descriptor = replace(DESCRIPTOR, name=name)
        return AgentEntry(replace(AGENT, descriptor=descriptor, enabled=self.enabled), (INSTANCE,))


@dataclass
class Nodes:
    """The nodes of the mesh."""

    asked: dict[str, object] = field(default_factory=dict)
    left: int = 3  # calls under way
    cut: int = 0  # calls that do not end

    async def list(self, *, status: NodeStatus | None, region: str) -> AsyncIterator[NodeEntry]:
        """The node."""
        self.asked = {"status": status, "region": region}
        yield NodeEntry(NODE, 2)

    async def get(self, node_id: str = "") -> NodeEntry:
        """The node, gone once it has drained."""
        status = NodeStatus.GONE if self.left <= 0 else NODE.status
        return NodeEntry(replace(NODE, id=node_id or "node-1", status=status), 2)

    async def drain(
        self,
        node_id: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - as the client has it
        wait: float = 0.0,
    ) -> Drain:
        """The node, draining, with a call less each time that it is asked."""
        self.asked = self.asked if wait else {"node_id": node_id, "timeout": timeout}
        self.left -= 1
        node = replace(NODE, id=node_id or "node-1", status=NodeStatus.DRAINING)
        return Drain(node, max(self.left, self.cut), drained=self.left <= 0)


@dataclass
class Sessions:
    """The sessions of the mesh."""

    asked: dict[str, object] = field(default_factory=dict)

    async def list(self, **only: object) -> AsyncIterator[Session]:
        """The session, without its data."""
        self.asked = only
        yield replace(SESSION, data={})

    async def get(self, session_id: str, *, peek: bool) -> Session:
        """The session."""
        self.asked = {"peek": peek}
        return replace(SESSION, id=session_id)

    async def create(self, data: dict[str, object], **start: object) -> Session:
        """The session with that data."""
        self.asked = start
        return replace(SESSION, data=data)

    async def update(self, session_id: str, data: dict[str, object], *, expected: int | None, merge: bool) -> Session:
        """The session at its next version."""
        self.asked = {"expected": expected, "merge": merge}
        return replace(SESSION, id=session_id, data=data, version=4)

    async def touch(self, session_id: str, ttl: float | None) -> Session:
        """The session with that span."""
        return replace(SESSION, id=session_id, ttl=ttl or SESSION.ttl)

    async def delete(self, session_id: str) -> bool:
        """Whether it is the one session that there is."""
        return session_id == SESSION.id


@dataclass
class Cache:
    """Values and topics of all namespaces."""

    namespace: str = ""
    values: dict[str, object] = field(default_factory=dict)
    asked: dict[str, object] = field(default_factory=dict)

    def within(self, namespace: str) -> Self:
        """The same, under another name."""
        self.namespace = namespace
        return self

    async def get(self, key: str) -> Value | None:
        """The value."""
        return Value(self.values[key], 60.0) if key in self.values else None

    async def set(self, key: str, value: object, *, ttl: float | None, only_if_absent: bool) -> bool:
        """Keep a value."""
        self.asked = {"ttl": ttl}
        if only_if_absent and key in self.values:
            return False
        self.values[key] = value
        return True

    async def delete(self, key: str) -> bool:
        """Forget a value."""
        return self.values.pop(key, None) is not None

    async def increment(self, key: str, delta: int, *, ttl: float | None) -> int:
        """Forty, and the delta."""
        self.asked = {"key": key, "ttl": ttl}
        return 40 + delta

    async def publish(self, topic: str, value: object) -> int:
        """Keep the message under its topic."""
        self.values[topic] = value
        return 9

    async def subscribe(self, topic: str, after: int | None) -> AsyncIterator[Started | Published | Missed]:
        """One event of each kind."""
        yield Started(after or 0)
        yield Missed(1, 2)
        yield Published(3, topic, THEN)
        yield Published(4, {"n": 1}, THEN)


@dataclass
class Grants:
    """One grant, and one request."""

    allowed: bool = True
    asked: dict[str, object] = field(default_factory=dict)

    async def list(self, **only: object) -> AsyncIterator[Grant]:
        """The grant, and itself revoked."""
        self.asked = only
        yield GRANT
        yield replace(GRANT, revoked=True, conditions=())

    async def give(self, principal: str, permission: str, **terms: object) -> Grant:
        """The grant as asked."""
        self.asked = terms
        return replace(GRANT, granted_to=principal, permission=permission)

    async def revoke(self, grant_id: str) -> int:
        """Three for the one grant that there is."""
        return 3 if grant_id == GRANT.id else 0

    async def check(self, permission: str, principal: str, **more: object) -> Check:
        """What was set."""
        self.asked = {"permission": permission, "principal": principal, **more}
        return Check(self.allowed, "because", "g-1" if self.allowed else "")

    async def ask(self, permission: str, why: str, *, ttl: float | None) -> PermissionRequest:
        """The request as asked."""
        return replace(REQUEST, permission=permission, justification=why, ttl=ttl)

    async def requests(self, **only: object) -> AsyncIterator[PermissionRequest]:
        """The request."""
        self.asked = only
        yield REQUEST

    async def decide(self, request_id: str, *, approve: bool, comment: str, **bounds: object) -> PermissionRequest:
        """The request, decided."""
        self.asked = {"comment": comment, **bounds}
        status = RequestStatus.APPROVED if approve else RequestStatus.DENIED
        return replace(REQUEST, id=request_id, status=status, grant="g-1" if approve else "")


@dataclass
class Audit:
    """Two events, and calls that ended."""

    breaks: tuple[Break, ...] = ()
    asked: dict[str, object] = field(default_factory=dict)

    async def list(self, wanted: AuditFilter, **span: datetime | None) -> AsyncIterator[AuditEvent]:
        """The events."""
        self.asked = {"wanted": wanted, **span}
        yield EVENT
        yield replace(EVENT, fact=replace(EVENT.fact, user_id="", reason="UNAUTHENTICATED", metadata={"refusals": 3}))

    async def watch(self, wanted: AuditFilter, after: str) -> AsyncIterator[WatchStarted | Witnessed | EventGap]:
        """One of each kind."""
        self.asked = {"wanted": wanted, "after": after}
        yield WatchStarted("c-0")
        yield EventGap("c-1", "node-1", 3, 5)
        yield Witnessed("c-2", EVENT)

    async def verify(self, node: str, **span: datetime | None) -> Verification:
        """What was set."""
        self.asked = {"node": node, **span}
        return Verification(not self.breaks, self.breaks, 2, 30)

    async def tap(self, wanted: TapFilter) -> AsyncIterator[TapStarted | EndedCall | CallsMissed]:
        """One of each kind."""
        self.asked = {"wanted": wanted}
        yield TapStarted("node-1")
        yield ENDED
        yield replace(ENDED, principal="", outcome=AuditOutcome.REFUSED, reason="UNAUTHENTICATED", call_path=("a", "b"))
        yield replace(ENDED, method="/a2amesh.v1.CacheService/SetValue", agent="", capability="")
        yield CallsMissed(7)


@dataclass
class Limits:
    """One limit, set, and its bucket."""

    asked: object = None

    async def list(self, only: LimitKey) -> AsyncIterator[Limit]:
        """The limit."""
        self.asked = only
        yield LIMIT

    async def set(self, rate: float, burst: int, key: LimitKey) -> Limit:
        """The limit as asked."""
        self.asked = key
        return replace(LIMIT, key=key, rate=Rate(rate, burst))

    async def get(self, key: LimitKey) -> LimitStanding:
        """The limit, and a bucket where the key names one."""
        exact = key.agent and key.capability
        return LimitStanding(LIMIT, Bucket(0.5, 3.0, 0.25, fallback=False) if exact else None)

    async def reset(self, key: LimitKey) -> tuple[bool, Limit]:
        """It was there; the default is left."""
        self.asked = key
        return key == LIMIT.key, Limit(LimitKey(), Rate(10, 100), LimitSource.DEFAULT)


class Mesh:
    """What a command talks to; its agent answers what it was asked, or fails with `failure`."""

    def __init__(self) -> None:
        self.agents, self.nodes, self.sessions, self.cache = Agents(), Nodes(), Sessions(), Cache()
        self.grants, self.audit, self.keys, self.freezes = Grants(), Audit(), Keys(), Freezes()
        self.limits = Limits()
        self.workflows, self.tools = Workflows(), Tools()
        self.address: str | None = None
        self.options: dict[str, object] = {}
        self.failure: MeshError | None = None
        self.answer: object = None

    def __call__(self, address: str | None) -> Self:
        """Take the place of the class of clients."""
        self.address = address
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""

    async def call(self, agent: str, capability: str, value: object, **options: object) -> object:
        """The set answer, or what was asked."""
        self.options = options
        if self.failure:
            raise self.failure
        return self.answer or {"agent": agent, "capability": capability, "value": value}

    async def stream(self, agent: str, capability: str, value: object, **options: object) -> AsyncIterator[object]:
        """The set answer, or what was asked, and words."""
        yield await self.call(agent, capability, value, **options)
        yield "a word"
