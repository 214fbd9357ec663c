"""From a name to what the directory says of it, and from an instance to whatever takes the call there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind, RegisteredAgent
from a2a_node.model.call import Call, Layer, Proceed
from a2a_node.model.call_ports import Carrier
from a2a_node.model.errors import AgentDisabled, AgentNotEndpoint, InternalError, InvalidInput


class Entry(Protocol):
    """An agent and its running copies, as the directory knows them."""

    @property
    def agent(self) -> RegisteredAgent:
        """The agent."""

    @property
    def instances(self) -> Sequence[Instance]:
        """Its running copies, anywhere in the mesh."""


class Finds(Protocol):
    """Who finds agents by name."""

    def find(self, agent: str) -> Entry:
        """The agent; AgentNotFound."""


Carriers = Mapping[InstanceKind, Carrier]


def _anywhere(_: Call) -> None:
    """No call is refused for where it leads."""


def resolve(directory: Finds, leads: Callable[[Call], None] = _anywhere) -> Layer:
    """The layer that turns names into what the directory says.

    AgentNotFound, AgentDisabled, CapabilityNotFound; AgentNotEndpoint for what could only be passed through. `leads`
    raises what is wrong with where the capability leads.
    """

    def layer(call: Call, proceed: Proceed) -> Awaitable[None]:
        entry = directory.find(call.agent)
        agent = entry.agent
        if not agent.enabled:
            raise AgentDisabled(call.agent)
        call.offered = offered(call, agent.descriptor)
        if call.proxied is not None and not any(takes(each, call) for each in entry.instances) and entry.instances:
            raise AgentNotEndpoint(call.agent, call.capability)
        call.capability, call.version = call.offered.name, agent.descriptor.version
        if call.unary and call.offered.streams_output:
            raise InvalidInput("capability", f"{call.capability!r} streams its outputs; call it with InvokeStream")
        leads(call)
        return proceed(call)

    return layer


def offered(call: Call, descriptor: AgentDescriptor) -> AgentCapability:
    """What an agent says of what is called; CapabilityNotFound. Of a service of its own it says nothing."""
    if call.proxied is None:
        return descriptor.capability(call.capability)
    return AgentCapability(call.capability, streams_input=True, streams_output=True)


def takes(instance: Instance, call: Call) -> bool:
    """Whether such a copy can take such a call: only endpoints have services of their own."""
    return call.proxied is None or instance.kind is InstanceKind.ENDPOINT


def reach(carriers: Carriers, elsewhere: Carrier, node_id: str) -> Callable[[Instance], bool]:
    """What tells whether a call to an instance could begin now."""

    def reaches(instance: Instance) -> bool:
        return (carriers[instance.kind] if instance.node == node_id else elsewhere).reaches(instance)

    return reaches


def carry(carriers: Carriers, elsewhere: Carrier, node_id: str) -> Proceed:
    """The leaf: the carrier of the instance's kind takes the call there, or the one to other nodes does."""

    def leaf(call: Call) -> Awaitable[None]:
        instance = call.instance
        if instance is None:
            raise InternalError
        return (carriers[instance.kind] if instance.node == node_id else elsewhere).carry(call, instance)

    return leaf
