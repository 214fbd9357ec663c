"""From a name to a running copy: resolve the agent, balance between its instances, take the call there."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Protocol

from a2a_node.model.agents import Instance, InstanceKind, RegisteredAgent
from a2a_node.model.call import Call, Layer, Proceed
from a2a_node.model.errors import AgentDisabled, InternalError, InvalidInput, NoInstance
from a2a_node.model.ports import Carrier


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


def resolve(directory: Finds) -> Layer:
    """The layer that turns names into what the directory says; AgentNotFound, AgentDisabled, CapabilityNotFound."""

    async def layer(call: Call, proceed: Proceed) -> None:
        agent = directory.find(call.agent).agent
        if not agent.enabled:
            raise AgentDisabled(call.agent)
        call.offered = agent.descriptor.capability(call.capability)
        call.capability, call.version = call.offered.name, agent.descriptor.version
        if call.unary and call.offered.streams_output:
            raise InvalidInput("capability", f"{call.capability!r} streams its outputs; call it with InvokeStream")
        await proceed(call)

    return layer


def balance(directory: Finds, carriers: Carriers, node_id: str) -> Layer:
    """The layer that picks the instance; NoInstance when none is within reach."""

    async def layer(call: Call, proceed: Proceed) -> None:
        known = directory.find(call.agent).instances
        near = [one for one in known if one.node == node_id and carriers[one.kind].reaches(one)]
        if not near:
            raise NoInstance(call.agent, sorted({one.node for one in known if one.node != node_id}))
        call.instance = near[0] if len(near) == 1 else less_busy(near, carriers)
        await proceed(call)

    return layer


def less_busy(instances: Sequence[Instance], carriers: Carriers) -> Instance:
    """The one with fewer calls under way, of two taken at random."""
    one, other = random.sample(instances, 2)
    return one if carriers[one.kind].in_flight(one) <= carriers[other.kind].in_flight(other) else other


def carry(carriers: Carriers) -> Proceed:
    """The leaf: the carrier of the instance's kind takes the call there."""

    async def leaf(call: Call) -> None:
        if call.instance is None:
            raise InternalError
        await carriers[call.instance.kind].carry(call, call.instance)

    return leaf
