"""What the built-in agents need of the node that hosts them, said as Protocols; `node/` introduces the rooms."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol, TypeVar

from a2a_node.model.agents import AgentDescriptor
from a2a_node.model.call import Terms
from a2a_node.model.limits import Limit, LimitKey, Rate
from a2a_node.model.principal import Principal
from a2a_node.model.tap import EndedCall

T = TypeVar("T")


class Deed(NamedTuple):
    """Something that an agent does to the mesh, or reads of it, by the RPC that would do it."""

    method: str  # its full name, for example "/a2amesh.v1.LimitService/SetLimit"
    target: str = ""  # what it is about, for the audit, for example "limit:echo.say"


class Deputy(Protocol):
    """Lets an agent act in the name of those who called it, and by no right of the node's or its own."""

    async def act(self, deed: Deed, terms: Terms, work: Callable[[Principal], Awaitable[T]]) -> T:
        """Do the work, which is told the principal at the root, if everybody in the call's chain may do the deed.

        The terms' token is that of the call which the agent works on. PermissionDenied without it, and when anybody in
        the chain lacks the RPC's permission; RpcNotServed for an RPC that there is not; whatever the work raises.
        """


@dataclass(frozen=True, slots=True)
class Tally:
    """What was counted of one agent's capability since the node began; `buckets` counts calls up to so many seconds."""

    ok: float = 0
    errors: float = 0
    cancelled: float = 0
    limited: float = 0  # of the errors: they came too fast
    seconds: float = 0  # all calls together
    buckets: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reading:
    """The node's metrics at one moment."""

    at: float  # seconds since the epoch
    calls: Mapping[tuple[str, str], Tally]  # by agent and capability
    memory: float = 0  # bytes that are resident; 0 where the system does not tell


class Meters(Protocol):
    """The node's own metrics."""

    def read(self) -> Reading:
        """How they stand now."""


class RecentCalls(Protocol):
    """The calls of agents that ended at this node lately, as many as it keeps."""

    async def since(self, moment: float) -> Sequence[EndedCall]:
        """Those that ended after a moment, in seconds since the epoch, in the order of their ends."""


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line of the node's log, without anything that callers or exceptions said."""

    at: float  # seconds since the epoch
    level: str
    event: str
    about: Mapping[str, str] = field(default_factory=dict)  # agent, capability, reason …


class RecentLogs(Protocol):
    """The warnings and errors that this node has logged lately, as many as it keeps."""

    def since(self, moment: float) -> Sequence[LogLine]:
        """Those after a moment, in seconds since the epoch, the oldest first."""

    def complete_from(self) -> float:
        """The moment after which no line is missing, in seconds since the epoch."""


class MeshChanges(Protocol):
    """What agents change of the mesh in the name of their callers; each change passes the Deputy, as its RPC would.

    The terms are of the call that the agent works on. PermissionDenied, and what each says.
    """

    def limit(self, key: LimitKey) -> Limit:
        """The limit that applies to a key as this node knows it, set or not."""

    async def set_limit(self, terms: Terms, key: LimitKey, rate: Rate) -> None:
        """Set the limit of a key; InvalidInput for one that is out of bounds."""

    async def reset_limit(self, terms: Terms, key: LimitKey) -> None:
        """Forget the limit of a key, if there is one."""

    def agent(self, name: str) -> tuple[AgentDescriptor, bool]:
        """An agent as this node knows it, and whether it is enabled; AgentNotFound."""

    def copies(self, name: str) -> Sequence[str]:
        """The ids of the copies of an agent as this node knows them; none of one that it does not know."""

    async def update_agent(self, terms: Terms, name: str, changes: Mapping[str, object]) -> None:
        """Change `enabled` or `config` of an agent; AgentNotFound, AgentOwned, InvalidInput."""

    async def drain_instance(self, terms: Terms, agent: str, instance_id: str) -> None:
        """Have a copy of an agent, of whatever kind, take no new calls; what it works on it may end.

        AgentOwned, InstanceNotFound. It is back once it attaches, registers or is started anew.
        """

    async def restart_server(self, terms: Terms, server_id: str) -> None:
        """Restart an MCP server, and wait until it answers; ServerNotFound, DeadlineExceeded."""

    async def drain_node(self, terms: Terms, node_id: str) -> None:
        """Tell a node to take no new work; NodeNotFound."""
