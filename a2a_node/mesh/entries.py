"""An agent as the directory knows it, with its running copies, and what it is found by."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from a2a_node.model.agents import Instance, RegisteredAgent

Mark: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Entry:
    """An agent and its running copies, anywhere in the mesh, by their ids."""

    agent: RegisteredAgent
    instances: tuple[Instance, ...] = ()

    @property
    def name(self) -> str:
        """The name that callers use."""
        return self.agent.descriptor.name

    @property
    def stamp(self) -> object:
        """What is different whenever the entry is; schemas need no look, for the registry stamps every change."""
        return self.agent.id, self.agent.revision, self.agent.updated_at, self.instances

    def marks(self) -> frozenset[Mark]:
        """All that the agent can be found by."""
        descriptor = self.agent.descriptor
        return frozenset(
            (
                ("category", descriptor.category),
                ("enabled", str(self.agent.enabled)),
                *(("tag", tag) for tag in descriptor.tags),
                *(("capability", capability.name) for capability in descriptor.capabilities),
                *(("node", instance.node) for instance in self.instances),
                *(("address", instance.address) for instance in self.instances if instance.address),
            )
        )


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which agents to list; an empty text, and None, mean all."""

    category: str = ""
    tag: str = ""
    capability: str = ""
    node: str = ""
    enabled: bool | None = None

    def marks(self) -> Sequence[Mark]:
        """What every one of them has."""
        asked = (("category", self.category), ("tag", self.tag), ("capability", self.capability), ("node", self.node))
        switched = () if self.enabled is None else (("enabled", str(self.enabled)),)
        return (*(mark for mark in asked if mark[1]), *switched)


def entries_of(agents: Iterable[RegisteredAgent], instances: Iterable[Instance]) -> Sequence[Entry]:
    """Each agent with its instances, by name and by id."""
    of_agent: dict[str, list[Instance]] = {}
    for instance in sorted(instances, key=lambda one: one.id):
        of_agent.setdefault(instance.agent, []).append(instance)
    known = sorted(agents, key=lambda agent: agent.name)
    return [Entry(agent, tuple(of_agent.get(agent.name, ()))) for agent in known]
