"""RegistryService: who is in the mesh. Reads come from the node's memory, changes go through the registrar."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing
from operator import attrgetter

from google.protobuf.duration_pb2 import Duration

from a2a_node.mesh.directory import Directory
from a2a_node.mesh.entries import Entry, Wanted
from a2a_node.mesh.news import Event, Removed, Sign
from a2a_node.mesh.registrar import Registrar
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput
from a2a_node.model.names import checked_name, checked_uuid
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.pages import paged
from a2a_node.wire.agents import from_instance, from_node, from_registered, seconds, to_descriptor, to_node_status
from a2a_node.wire.payloads import to_mapping
from a2amesh.v1 import agent_pb2
from a2amesh.v1 import registry_service_pb2 as pb

PORTION = 10  # agents that are described at a time
CHANGEABLE: Mapping[str, Callable[[agent_pb2.AgentDescriptor], object]] = {
    "enabled": lambda agent: agent.enabled,
    "config": lambda agent: to_mapping(agent.config),
    "description": lambda agent: agent.description,
    "category": lambda agent: agent.category or "general",
    "tags": lambda agent: tuple(agent.tags),
    "max_revisits": lambda agent: agent.max_revisits,
    "needs_call_token": lambda agent: agent.needs_call_token,
}


class RegistryService:
    """Agents, their instances, and nodes."""

    descriptor = pb.DESCRIPTOR.services_by_name["RegistryService"]

    def __init__(self, directory: Directory, registrar: Registrar, node_id: str) -> None:
        self._directory = directory
        self._registrar = registrar
        self._node_id = node_id

    async def register_agent(self, request: pb.RegisterAgentRequest, call: Call) -> pb.RegisterAgentResponse:
        """Register an endpoint."""
        agent, lease = to_descriptor(request.agent), seconds(request.lease) if request.HasField("lease") else None
        entry, instance = await self._registrar.register(agent, request.address, lease, call.principal)
        return pb.RegisterAgentResponse(agent=_agent(entry), instance=from_instance(instance))

    async def renew_lease(self, request: pb.RenewLeaseRequest, call: Call) -> pb.RenewLeaseResponse:
        """Keep an endpoint registered."""
        instance = await self._registrar.renew(checked_uuid("instance_id", request.instance_id), call.principal)
        return pb.RenewLeaseResponse(instance=from_instance(instance))

    async def deregister_agent(self, request: pb.DeregisterAgentRequest, call: Call) -> pb.DeregisterAgentResponse:
        """Remove one instance, or an agent with all its endpoint instances."""
        if request.WhichOneof("target") == "instance_id":
            instance_id = checked_uuid("instance_id", request.instance_id)
            removed = await self._registrar.remove_instance(instance_id, call.principal)
        else:
            removed = await self._registrar.remove_agent(checked_name("agent", request.agent), call.principal)
        return pb.DeregisterAgentResponse(removed_instances=removed)

    async def update_agent(self, request: pb.UpdateAgentRequest, call: Call) -> pb.UpdateAgentResponse:
        """Change what the field mask names."""
        name = checked_name("agent.name", request.agent.name)
        return pb.UpdateAgentResponse(
            agent=_agent(await self._registrar.update(name, _changes(request), call.principal))
        )

    async def get_agent(self, request: pb.GetAgentRequest, _: Call) -> pb.GetAgentResponse:
        """All that is known of one agent."""
        return pb.GetAgentResponse(agent=_agent(self._directory.find(checked_name("name", request.name))))

    async def list_agents(self, request: pb.ListAgentsRequest, _: Call) -> pb.ListAgentsResponse:
        """The agents that fit the filters, by name."""
        wanted = _wanted(request)
        page, token = paged(
            self._directory.agents(wanted), attrgetter("name"), repr(wanted), request.page_size, request.page_token
        )
        return pb.ListAgentsResponse(agents=[agent async for agent in _agents(page)], next_page_token=token)

    async def watch_agents(
        self, request: pb.WatchAgentsRequest, _: Call
    ) -> AsyncGenerator[pb.WatchAgentsResponse, None]:
        """Every agent as it is, then what changes."""
        if request.after_revision < 0:
            raise InvalidInput("after_revision", f"{request.after_revision} must not be negative")
        async with aclosing(self._directory.watch(request.after_revision)) as events:
            async for event in events:
                yield _change(event)

    async def list_nodes(self, request: pb.ListNodesRequest, _: Call) -> pb.ListNodesResponse:
        """The nodes that fit the filters, by id."""
        status, region = _status(request), request.region
        fitting = [
            node for node in self._directory.nodes() if status in (None, node.status) and region in ("", node.region)
        ]
        scope = repr(("nodes", status, region))
        page, token = paged(fitting, attrgetter("id"), scope, request.page_size, request.page_token)
        return pb.ListNodesResponse(nodes=[self._node(node) for node in page], next_page_token=token)

    async def get_node(self, request: pb.GetNodeRequest, _: Call) -> pb.GetNodeResponse:
        """All that is known of one node."""
        return pb.GetNodeResponse(node=self._node(self._directory.node(self._asked(request.node_id))))

    async def drain_node(self, request: pb.DrainNodeRequest, call: Call) -> pb.DrainNodeResponse:
        """Tell a node to take no new work; whoever asks how far it is changes nothing."""
        wait = _span(request.wait, "wait") if request.HasField("wait") else 0.0
        timeout = _span(request.timeout, "timeout") if request.HasField("timeout") else None
        node, progress = await self._registrar.drain(self._asked(request.node_id), timeout, wait)
        call.changes = progress.begun
        return pb.DrainNodeResponse(node=self._node(node), running_calls=progress.running, drained=progress.drained)

    def _asked(self, node_id: str) -> str:
        return checked_name("node_id", node_id) if node_id else self._node_id

    def _node(self, node: Node) -> pb.Node:
        return from_node(node, len(self._directory.on_node(node.id)))


def _agent(entry: Entry) -> agent_pb2.AgentDescriptor:
    return from_registered(entry.agent, entry.instances)


async def _agents(entries: Sequence[Entry]) -> AsyncIterator[agent_pb2.AgentDescriptor]:
    """Their messages, made in portions: schemas are large, and a page of them would hold all calls up."""
    for number, entry in enumerate(entries, 1):
        yield _agent(entry)
        if number % PORTION == 0:
            await asyncio.sleep(0)


def _wanted(request: pb.ListAgentsRequest) -> Wanted:
    return Wanted(
        category=request.category,
        tag=request.tag,
        capability=request.capability,
        node=request.node_id,
        enabled=request.enabled if request.HasField("enabled") else None,
    )


def _changes(request: pb.UpdateAgentRequest) -> Mapping[str, object]:
    """The fields to change, by name; InvalidInput for a mask that names none, or others."""
    paths, known = request.update_mask.paths, ", ".join(CHANGEABLE)
    if not paths:
        raise InvalidInput("update_mask", f"names no field to change; these can be: {known}")
    for path in paths:
        if path not in CHANGEABLE:
            raise InvalidInput("update_mask", f"{path[:80]!r} cannot be changed; these can: {known}")
    return {path: CHANGEABLE[path](request.agent) for path in paths}


def _change(event: Event) -> pb.WatchAgentsResponse:
    change = event.change
    if isinstance(change, Entry):
        return pb.WatchAgentsResponse(revision=event.revision, agent=_agent(change))
    if isinstance(change, Removed):
        return pb.WatchAgentsResponse(revision=event.revision, removed=change.name)
    if change is Sign.RESET:
        return pb.WatchAgentsResponse(revision=event.revision, reset=pb.WatchReset())
    return pb.WatchAgentsResponse(revision=event.revision, current=pb.WatchCurrent())


def _status(request: pb.ListNodesRequest) -> NodeStatus | None:
    status = to_node_status(request.status)
    if request.status and status is None:
        raise InvalidInput("status", f"{request.status} is no status of a node")
    return status


def _span(asked: Duration, field: str) -> float:
    span = seconds(asked)
    if span < 0:
        raise InvalidInput(field, f"{span:g} s must not be negative")
    return span
