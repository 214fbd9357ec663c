"""The registry's agents: looked up, watched, changed, and endpoints registered."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Literal, TypedDict, Unpack

from google.protobuf.field_mask_pb2 import FieldMask

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.client.records import to_instance, to_registered
from a2a_node.client.watching import Watch, watched
from a2a_node.model.agents import AgentDescriptor, Instance, RegisteredAgent
from a2a_node.wire.agents import duration, from_descriptor
from a2a_node.wire.payloads import from_mapping
from a2amesh.v1 import agent_pb2
from a2amesh.v1 import registry_service_pb2 as pb

_GET = Rpc("RegistryService/GetAgent", pb.GetAgentRequest, pb.GetAgentResponse)
_LIST = Rpc("RegistryService/ListAgents", pb.ListAgentsRequest, pb.ListAgentsResponse)
_WATCH = Rpc("RegistryService/WatchAgents", pb.WatchAgentsRequest, pb.WatchAgentsResponse)
_UPDATE = Rpc("RegistryService/UpdateAgent", pb.UpdateAgentRequest, pb.UpdateAgentResponse)
_REGISTER = Rpc("RegistryService/RegisterAgent", pb.RegisterAgentRequest, pb.RegisterAgentResponse)
_RENEW = Rpc("RegistryService/RenewLease", pb.RenewLeaseRequest, pb.RenewLeaseResponse)
_DEREGISTER = Rpc("RegistryService/DeregisterAgent", pb.DeregisterAgentRequest, pb.DeregisterAgentResponse)


@dataclass(frozen=True, slots=True)
class AgentEntry:
    """An agent as the registry has it, and its running copies."""

    agent: RegisteredAgent
    instances: tuple[Instance, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentChange:
    """What a watch tells.

    `agent` came or changed; `removed` is gone; `reset` forgets all that was told; `current` ends what was there.
    """

    revision: int  # continue a watch after it
    kind: Literal["agent", "removed", "reset", "current"]
    name: str = ""
    entry: AgentEntry | None = None


class AgentFilter(TypedDict, total=False):
    """Which agents to list; what is absent is not looked at."""

    category: str
    tag: str
    capability: str
    enabled: bool
    node_id: str


class AgentChanges(TypedDict, total=False):
    """What to change of an agent; what is absent stays."""

    enabled: bool
    config: Mapping[str, object]
    description: str
    category: str
    tags: Sequence[str]
    max_revisits: int
    needs_call_token: bool


class Agents:
    """The agents of the mesh."""

    def __init__(self, connection: Anywhere) -> None:
        self._nodes, self._connection = connection.nodes, connection

    async def get(self, name: str) -> AgentEntry:
        """All that is known of an agent; AgentNotFound."""
        return _entry((await self._connection.ask(_GET, pb.GetAgentRequest(name=name), terms())).agent)

    async def list(self, **only: Unpack[AgentFilter]) -> AsyncIterator[AgentEntry]:
        """The agents by name, fetched page by page."""
        request = pb.ListAgentsRequest(**only)
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.agents:
                yield _entry(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def watch(self, after_revision: int = 0) -> AsyncIterator[AgentChange]:
        """Every agent as it is, `current`, then what changes; or what changed after a revision that was seen.

        When its node is lost, the watch goes on at the next one; where that cannot tell all that changed, by a `reset`.
        """
        request = pb.WatchAgentsRequest(after_revision=after_revision)
        async with aclosing(watched(self._nodes, _WATCHING, request)) as changes:
            async for message in changes:
                yield _change(message)

    async def update(self, name: str, **changes: Unpack[AgentChanges]) -> AgentEntry:
        """Change an agent; AgentNotFound."""
        message = agent_pb2.AgentDescriptor(name=name)
        for field, value in changes.items():
            _put(message, field, value)
        request = pb.UpdateAgentRequest(agent=message, update_mask=FieldMask(paths=list(changes)))
        return _entry((await self._connection.ask(_UPDATE, request, terms())).agent)

    async def register(
        self, agent: AgentDescriptor, address: str, lease: float | None = None
    ) -> tuple[AgentEntry, Instance]:
        """Register an endpoint that serves AgentService at `address`; `lease` in seconds. AgentOwned."""
        request = pb.RegisterAgentRequest(
            agent=from_descriptor(agent), address=address, lease=None if lease is None else duration(lease)
        )
        response = await self._connection.ask(_REGISTER, request, terms())
        return _entry(response.agent), to_instance(response.instance)

    async def renew(self, instance_id: str) -> Instance:
        """Keep an endpoint registered; LeaseEnded, InstanceNotFound."""
        request = pb.RenewLeaseRequest(instance_id=instance_id)
        return to_instance((await self._connection.ask(_RENEW, request, terms())).instance)

    async def deregister(self, *, agent: str = "", instance_id: str = "") -> int:
        """Remove one instance, or an agent with all its endpoints; how many instances went."""
        request = (
            pb.DeregisterAgentRequest(agent=agent) if agent else pb.DeregisterAgentRequest(instance_id=instance_id)
        )
        return (await self._connection.ask(_DEREGISTER, request, terms())).removed_instances


def _entry(message: agent_pb2.AgentDescriptor) -> AgentEntry:
    return AgentEntry(to_registered(message), tuple(to_instance(instance) for instance in message.instances))


def _change(message: pb.WatchAgentsResponse) -> AgentChange:
    kind = message.WhichOneof("change")
    if kind == "agent":
        return AgentChange(message.revision, kind, message.agent.name, _entry(message.agent))
    if kind == "removed":
        return AgentChange(message.revision, kind, message.removed)
    return AgentChange(message.revision, "reset" if kind == "reset" else "current")


def _put(message: agent_pb2.AgentDescriptor, field: str, value: object) -> None:
    if isinstance(value, Mapping):
        message.config.CopyFrom(from_mapping(value, "agent.config"))
    elif field == "tags" and isinstance(value, Sequence):
        message.tags.extend(value)
    else:
        setattr(message, field, value)


def _moved(request: pb.WatchAgentsRequest, told: pb.WatchAgentsResponse) -> None:
    request.after_revision = told.revision


def _again(request: pb.WatchAgentsRequest, told: pb.WatchAgentsResponse) -> Iterable[pb.WatchAgentsResponse]:
    """A node that was lost before it had told of every agent is forgotten with what it told."""
    return (told,) if request.after_revision else (pb.WatchAgentsResponse(reset=pb.WatchReset()), told)


_WATCHING = Watch(_WATCH, _moved, _again)
