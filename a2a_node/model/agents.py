"""What an agent is to the mesh: its descriptor, its capabilities and its running copies."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from a2a_node.model.errors import CapabilityNotFound, InvalidInput
from a2a_node.model.limits import MOST_COST, written_rate
from a2a_node.model.names import checked_name, checked_text

MAX_CAPABILITIES = 1000
MAX_TAGS = 32
MAX_CALLS = 100  # agents that a capability may declare to call
CONFIG_BYTES = 64 * 1024
SHORTEST_DELAY, LONGEST_DELAY = 0.001, 3600.0  # seconds until a call is hedged


@dataclass(frozen=True, slots=True)
class AgentCapability:
    """One operation of an agent; schemas are JSON Schemas, an empty one allows anything."""

    name: str
    description: str = ""
    input_schema: Mapping[str, object] = field(default_factory=dict)
    output_schema: Mapping[str, object] = field(default_factory=dict)
    streams_output: bool = False
    streams_input: bool = False
    cache_ttl: float = 0.0  # seconds; 0 means never cached
    limit: str = ""  # such as "50/s burst 100"; empty means the mesh's default
    idempotent: bool = False
    cost: int = 1  # tokens that a call takes from its caller's bucket
    hedging_delay: float = 0.0  # seconds without an answer until a second instance is asked as well; 0 means never
    calls: tuple[str, ...] = ()  # names of the agents that it calls, as far as that is declared


@dataclass(frozen=True, slots=True)
class AgentDescriptor:
    """An agent as it introduces itself."""

    name: str
    version: str = "0.0.0"
    description: str = ""
    category: str = "general"
    tags: tuple[str, ...] = ()
    capabilities: tuple[AgentCapability, ...] = ()
    config: Mapping[str, object] = field(default_factory=dict)
    max_revisits: int = 0
    needs_call_token: bool = False  # it calls others only at work

    def capability(self, name: str) -> AgentCapability:
        """The capability of that name, or the only one when the name is empty; CapabilityNotFound otherwise."""
        for capability in self.capabilities:
            if capability.name == name or (not name and len(self.capabilities) == 1):
                return capability
        raise CapabilityNotFound(self.name, name, [capability.name for capability in self.capabilities])

    def cost_of(self, capability: str) -> int:
        """The tokens that a call of a capability costs; 1 where it has none of that name."""
        try:
            return self.capability(capability).cost
        except CapabilityNotFound:
            return 1

    def checked(self) -> AgentDescriptor:
        """The descriptor itself; InvalidInput names the first field that is wrong."""
        checked_name("agent.name", self.name)
        checked_text("agent.version", self.version, 63)
        checked_text("agent.description", self.description, 2000)
        checked_name("agent.category", self.category)
        if len(self.tags) > MAX_TAGS:
            raise InvalidInput("agent.tags", f"has {len(self.tags)} entries, the limit is {MAX_TAGS}")
        for number, tag in enumerate(self.tags):
            checked_name(f"agent.tags[{number}]", tag)
        checked_config(self.config)
        self._check_capabilities()
        return self

    def _check_capabilities(self) -> None:
        if not 1 <= len(self.capabilities) <= MAX_CAPABILITIES:
            raise InvalidInput("agent.capabilities", f"must have 1 to {MAX_CAPABILITIES} entries")
        seen: set[str] = set()
        for number, capability in enumerate(self.capabilities):
            place = f"agent.capabilities[{number}]"
            checked_name(f"{place}.name", capability.name)
            checked_text(f"{place}.description", capability.description, 2000)
            if not 1 <= capability.cost <= MOST_COST:
                raise InvalidInput(f"{place}.cost", f"{capability.cost} must be from 1 to {MOST_COST:,} tokens")
            if capability.limit:
                written_rate(f"{place}.limit", capability.limit, capability.cost)
            checked_hedging(f"{place}.hedging_delay", capability)
            _check_calls(place, capability.calls)
            if capability.name in seen:
                raise InvalidInput(f"{place}.name", f"{capability.name!r} is there twice")
            seen.add(capability.name)


def checked_hedging(place: str, capability: AgentCapability) -> None:
    """InvalidInput names the place when calls of the capability must not be hedged, or not after such a delay."""
    if capability.hedging_delay == 0:
        return
    if not SHORTEST_DELAY <= capability.hedging_delay <= LONGEST_DELAY:
        raise InvalidInput(place, f"{capability.hedging_delay:g} s must be from 1 ms to 1 h")
    if not capability.idempotent:
        raise InvalidInput(place, "is only for an idempotent capability: two instances may work on one call")
    if capability.streams_input or capability.streams_output:
        raise InvalidInput(place, "is only for a capability with one input and one output")


def _check_calls(place: str, calls: tuple[str, ...]) -> None:
    if len(calls) > MAX_CALLS:
        raise InvalidInput(f"{place}.calls", f"has {len(calls)} entries, the limit is {MAX_CALLS}")
    for number, agent in enumerate(calls):
        checked_name(f"{place}.calls[{number}]", agent)


def checked_config(config: Mapping[str, object]) -> Mapping[str, object]:
    """The configuration itself; InvalidInput when it is over 64 KiB as JSON."""
    size = len(json.dumps(config, ensure_ascii=False, separators=(",", ":")).encode())
    if size > CONFIG_BYTES:
        raise InvalidInput("agent.config", f"has {size} bytes as JSON, the limit is {CONFIG_BYTES}")
    return config


class InstanceKind(StrEnum):
    """How a node reaches a running copy of an agent."""

    HOSTED = "hosted"
    ATTACHED = "attached"
    ENDPOINT = "endpoint"


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of an agent, reachable through exactly one node."""

    id: str
    agent: str
    node: str
    kind: InstanceKind
    address: str = ""
    version: str = "0.0.0"
    lease_until: datetime | None = None  # of an endpoint's own lease; None when its node's lease holds it
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegisteredAgent:
    """An agent as the registry has it."""

    descriptor: AgentDescriptor
    id: str
    owner: str
    enabled: bool
    deployed_at: datetime
    created_at: datetime
    updated_at: datetime
    revision: int

    @property
    def name(self) -> str:
        """The name that callers use."""
        return self.descriptor.name
