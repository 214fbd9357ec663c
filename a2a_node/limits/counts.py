"""What the limits did, by agent, for whoever shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

MOST = 2000  # agents that are counted apart; those beyond share one
UNKNOWN = "unknown"


@dataclass(slots=True)
class Counts:
    """What was counted of one agent."""

    admitted: int = 0
    refused: int = 0
    leases: int = 0  # that brought tokens
    redis_trips: int = 0
    alone_calls: int = 0  # admitted by this node's own share


@dataclass(frozen=True, slots=True)
class Tallies:
    """The counts of all agents."""

    _by_agent: dict[str, Counts] = field(default_factory=dict)

    def of(self, agent: str) -> Counts:
        """The counts of an agent, to count on."""
        found = self._by_agent.get(agent)
        if found is None:
            name = agent if len(self._by_agent) < MOST else UNKNOWN
            found = self._by_agent.setdefault(name, Counts())
        return found

    def read(self, count: Callable[[Counts], int]) -> Mapping[str, float]:
        """One of the counts, by agent."""
        return {agent: count(counts) for agent, counts in self._by_agent.items()}
