"""Calls to endpoints for tests, as the outgoing layers hand them over, and what comes of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from time import monotonic

import pytest

from a2a_node.mesh.endpoint import Endpoints
from a2a_node.mesh.lines import Bounds
from a2a_node.model.agents import AgentCapability, Instance, InstanceKind
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import MeshError
from a2a_node.model.payload import TEXT, Payload
from tests.integration.endpoint_agent import EndpointAgent

PATIENCE = 10.0
NO_NETWORK = "127.0.0.1:1"  # nobody listens there


@dataclass
class Clock:
    """A clock that is set by hand."""

    now: float = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


@dataclass
class Asked:
    """A call, and what came of it."""

    replies: list[Payload] = field(default_factory=list)
    replied: asyncio.Event = field(default_factory=asyncio.Event)

    async def take(self, payload: Payload) -> None:
        """Keep a reply."""
        self.replies.append(payload)
        self.replied.set()

    @property
    def texts(self) -> Sequence[object]:
        """The replies' bodies."""
        return [reply.body for reply in self.replies]


def instance(at: EndpointAgent | str, instance_id: str = "one") -> Instance:
    """A running copy at an address."""
    address = at if isinstance(at, str) else f"127.0.0.1:{at.port}"
    return Instance(instance_id, "a", "here", InstanceKind.ENDPOINT, address)


async def done(_: Call) -> None:
    """Nothing more to do."""


async def stream_of(*payloads: Payload) -> AsyncIterator[Payload]:
    """Inputs that are all there."""
    for payload in payloads:
        yield payload


def call(offered: AgentCapability, asked: Asked, *inputs: str, seconds: float = PATIENCE) -> Call:
    """A call as the outgoing layers hand it over."""
    return Call(
        method="/m",
        rest=done,
        id="the-call",
        agent="a",
        capability=offered.name,
        token="the-token",
        envelope=Envelope(deadline=monotonic() + seconds, allowance=seconds, path=("root", "a")),
        offered=offered,
        requests=stream_of(*(Payload(text, TEXT) for text in inputs)),
        reply=asked.take,
    )


def unary(name: str) -> AgentCapability:
    """A capability with one answer."""
    return AgentCapability(name)


def streaming(name: str) -> AgentCapability:
    """A capability with any number of answers."""
    return AgentCapability(name, streams_output=True)


def conversing(name: str) -> AgentCapability:
    """A capability with any number of inputs and answers."""
    return AgentCapability(name, streams_output=True, streams_input=True)


def everywhere(_: str) -> bool:
    """Every address is served."""
    return True


@asynccontextmanager
async def reaching(
    serves: Callable[[str], bool] = everywhere, **bounds: float
) -> AsyncIterator[tuple[Endpoints, Clock]]:
    """A carrier with a clock of its own."""
    clock = Clock(1000.0)
    async with Endpoints.reaching(serves, replace(Bounds(payload=100_000), **bounds), clock) as endpoints:  # type: ignore[arg-type]
        yield endpoints, clock


async def failed(endpoints: Endpoints, asked: Call, at: Instance) -> MeshError:
    """How a call fails."""
    with pytest.raises(MeshError) as failure:
        async with asyncio.timeout(PATIENCE):
            await endpoints.carry(asked, at)
    return failure.value
