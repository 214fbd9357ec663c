"""Where the time of an agent goes, as profiles and calls show it, for whoever proposes what to change."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.ops.incidents.words import Edge

MOSTLY = 0.5  # of an agent's time, from which on whoever it calls is the one to be tuned


class Hot(BaseModel):
    """A function that ran much, in a profile."""

    function: str
    own: Annotated[float, Field(description="Share of the samples in which it ran itself.")]
    within: Annotated[float, Field(description="Share in which it, or what it called, ran.")]


class SlowCall(BaseModel):
    """One call that took long."""

    agent: str
    capability: str
    seconds: float
    reason: Annotated[str, Field(description="Why it failed; empty when it did not.")]
    call_id: str
    trace_id: str
    path: Annotated[list[str], Field(description="The agents that led to it.")]


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where the time goes, as far as it was looked at: functions of a profile, and calls by who made them."""

    hottest: Sequence[Hot] = ()
    ways: Sequence[Edge] = ()

    def share(self, function: str) -> float:
        """Of the samples, how many are within functions of that name; 0 for none, or where nothing is known."""
        return max((hot.within for hot in self.hottest if function and function in hot.function), default=0.0)

    def below(self, agent: str) -> tuple[str, float]:
        """The agent that most of an agent's time goes into, and which share of it; nobody where it works itself."""
        whole = sum(way.seconds for way in self.ways if way.agent == agent)
        spent: defaultdict[str, float] = defaultdict(float)
        for way in self.ways:
            if way.caller == agent and way.agent != agent:
                spent[way.agent] += way.seconds
        name, seconds = max(spent.items(), key=lambda one: one[1], default=("", 0.0))
        return (name, seconds / whole) if whole and seconds >= MOSTLY * whole else ("", 0.0)


NOTHING = Evidence()
