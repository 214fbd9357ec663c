"""Calls and instances for tests of the outgoing layers."""

from __future__ import annotations

from time import monotonic

from a2a_node.model.agents import AgentCapability, Instance, InstanceKind
from a2a_node.model.call import Call, Once
from a2a_node.model.envelope import Envelope
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.proxied import PROXIED, Entries, Proxied

SAY = AgentCapability("say")
SAFE = AgentCapability("say", idempotent=True)


def instance(name: str, node: str = "n1") -> Instance:
    """An attached instance."""
    return Instance(name, "echo", node, InstanceKind.ATTACHED)


def call(offered: AgentCapability = SAY, *, seconds: float = 30.0, key: str = "") -> Call:
    """A call as the outgoing layers see it, with one input."""
    return Call(
        method="/m",
        rest=done,
        agent="echo",
        capability=offered.name,
        offered=offered,
        unary=True,
        idempotency_key=key,
        envelope=Envelope(monotonic() + seconds, seconds),
        requests=Once(Payload("hello", TEXT)),
    )


async def done(_: Call) -> None:
    """Nothing more to do."""


def passed_through(call: Call) -> Call:
    """The same call, to a gRPC service of its agent's own."""

    async def begin(_: Entries) -> None:
        """Nobody listens."""

    call.method, call.proxied = PROXIED, Proxied((), begin)
    return call
