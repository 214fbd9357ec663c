"""From a name to an instance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from a2a_node.mesh.route import carry, reach, resolve
from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind, RegisteredAgent
from a2a_node.model.call import Call
from a2a_node.model.errors import (
    AgentDisabled,
    AgentNotEndpoint,
    AgentNotFound,
    CapabilityNotFound,
    InternalError,
    InvalidInput,
)
from tests.unit.mesh.calls import passed_through

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SAY, COUNT = AgentCapability("say"), AgentCapability("count", streams_output=True)


@dataclass
class Known:
    """One agent with its instances."""

    agent: RegisteredAgent
    instances: Sequence[Instance] = ()


@dataclass
class Directory:
    """A directory of one agent."""

    known: Known

    def find(self, agent: str) -> Known:
        """That agent."""
        if agent != self.known.agent.name:
            raise AgentNotFound(agent)
        return self.known


@dataclass
class Carrier:
    """A carrier that reaches the instances it is told of."""

    within: Sequence[str] = ()
    carried: list[str] = field(default_factory=list)

    def reaches(self, instance: Instance) -> bool:
        """Whether it was told of it."""
        return instance.id in self.within

    async def carry(self, _: Call, instance: Instance) -> None:
        """Remember where the call went."""
        self.carried.append(instance.id)


def directory(*instances: Instance, enabled: bool = True) -> Directory:
    """A directory that knows echo."""
    descriptor = AgentDescriptor("echo", capabilities=(SAY, COUNT))
    return Directory(Known(RegisteredAgent(descriptor, "id", "dev", enabled, NOW, NOW, NOW, 1), instances))


def instance(name: str, node: str = "n1") -> Instance:
    """An attached instance."""
    return Instance(name, "echo", node, InstanceKind.ATTACHED)


def call(agent: str = "echo", capability: str = "say", *, unary: bool = True) -> Call:
    """A call as the outgoing layers see it."""
    return Call(method="/m", rest=done, agent=agent, capability=capability, unary=unary)


async def done(_: Call) -> None:
    """Nothing more to do."""


async def test_a_name_becomes_what_the_directory_says() -> None:
    """The capability's schemas and settings are known to the layers below."""
    seen = call()
    await resolve(directory())(seen, done)
    assert seen.offered is SAY


async def test_what_cannot_be_called_is_refused_with_its_reason() -> None:
    """Unknown, disabled, without such a capability, or of another shape."""
    for asked, known, refusal in (
        (call("nobody"), directory(), AgentNotFound),
        (call(), directory(enabled=False), AgentDisabled),
        (call(capability="sing"), directory(), CapabilityNotFound),
        (call(capability=""), directory(), CapabilityNotFound),
        (call(capability="count"), directory(), InvalidInput),
    ):
        with pytest.raises(refusal):
            await resolve(known)(asked, done)


async def test_instances_of_other_nodes_go_by_the_carrier_to_nodes() -> None:
    """Whatever their kind is there."""
    near, far = Carrier(["one"]), Carrier(["two"])
    carriers = {InstanceKind.ATTACHED: near}
    reaches = reach(carriers, far, "n1")
    assert reaches(instance("one"))
    assert reaches(instance("two", "n2"))
    assert not reaches(instance("two"))
    for picked in (instance("one"), instance("two", "n2")):
        seen = call()
        seen.instance = picked
        await carry(carriers, far, "n1")(seen)
    assert (near.carried, far.carried) == (["one"], ["two"])
    with pytest.raises(InternalError):
        await carry(carriers, far, "n1")(call())


async def test_what_is_passed_through_needs_an_endpoint_and_no_capability() -> None:
    """Of an agent without one the node says so; of one without any copies the layers below do."""
    at_address = Instance("three", "echo", "n1", InstanceKind.ENDPOINT, "127.0.0.1:1")
    for known in (directory(instance("one"), at_address), directory()):
        seen = passed_through(call(capability="orders.v1.Orders/Place", unary=False))
        await resolve(known)(seen, done)
        assert seen.offered == AgentCapability("orders.v1.Orders/Place", streams_input=True, streams_output=True)
    for known, refusal in (
        (directory(instance("one")), AgentNotEndpoint),
        (directory(at_address, enabled=False), AgentDisabled),
    ):
        with pytest.raises(refusal):
            await resolve(known)(passed_through(call(capability="orders.v1.Orders/Place")), done)
