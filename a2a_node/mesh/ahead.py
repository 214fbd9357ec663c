"""Where calls lead, as agents have declared it: a way that comes back is refused at its first call, before any work.

Most agents declare nothing; then the path of a call itself tells, once it comes to the agent that would be met again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from a2a_node.mesh.route import Finds
from a2a_node.model.agents import AgentDescriptor
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentNotFound, CallLoop

Calls = Callable[[str], Iterable[str]]  # whom an agent calls


class Knows(Finds, Protocol):
    """The directory, as far as it is needed here."""

    @property
    def revision(self) -> int:
        """The revision that it is of."""


@dataclass(frozen=True, slots=True)
class View:
    """What lies ahead of a capability."""

    ways: Mapping[str, Sequence[str]]  # to every agent that declared calls lead to, that agent last
    circle: Sequence[str]  # the first way that meets an agent twice; empty where none does


class Ahead:
    """Views by whom a capability calls, worked out when they are first asked for, kept until the directory changes."""

    def __init__(self, directory: Knows) -> None:
        self._directory = directory
        self._revision = -1
        self._views: dict[tuple[str, ...], View] = {}

    def check(self, call: Call) -> None:
        """CallLoop when declared calls lead back to an agent of the call's path, or meet another agent twice.

        Ways through agents that may come back are left to the path: nobody has declared how often they do.
        """
        first = call.offered.calls if call.offered is not None else ()
        if not first:
            return
        path = call.envelope.path if call.envelope is not None else (call.agent,)
        view = self._view(first)
        for agent in path:
            if agent in view.ways and path.count(agent) > self._revisits(agent):
                raise CallLoop(agent, (*path, *view.ways[agent]), declared=True)
        if view.circle:
            raise CallLoop(view.circle[-1], (*path, *view.circle), declared=True)

    def _view(self, first: tuple[str, ...]) -> View:
        if self._revision != self._directory.revision:
            self._revision, self._views = self._directory.revision, {}
        view = self._views.get(first)
        if view is None:
            view = self._views[first] = View(ways_from(first, self._calls), circle_from(first, self._calls))
        return view

    def _calls(self, agent: str) -> Iterator[str]:
        known = self._descriptor(agent)
        if known is not None and not known.max_revisits:
            for capability in known.capabilities:
                yield from capability.calls

    def _revisits(self, agent: str) -> int:
        known = self._descriptor(agent)
        return 0 if known is None else known.max_revisits

    def _descriptor(self, agent: str) -> AgentDescriptor | None:
        try:
            return self._directory.find(agent).agent.descriptor
        except AgentNotFound:
            return None


def ways_from(first: Iterable[str], calls: Calls) -> Mapping[str, Sequence[str]]:
    """The shortest way to every agent ahead, with that agent at its end."""
    ways: dict[str, Sequence[str]] = {agent: (agent,) for agent in first}
    ahead = list(ways)
    for agent in ahead:  # which grows
        for further in calls(agent):
            if further not in ways:
                ways[further] = (*ways[agent], further)
                ahead.append(further)
    return ways


def circle_from(first: Iterable[str], calls: Calls) -> Sequence[str]:
    """A way ahead that meets an agent twice, that agent last; empty where none does."""
    way: dict[str, None] = {}
    turns = [iter(first)]  # of each agent on the way, those that it has yet to call
    over: set[str] = set()
    while turns:
        agent = next(turns[-1], None)
        if agent is None:
            turns.pop()
            if way:
                over.add(way.popitem()[0])
        elif agent in way:
            return (*way, agent)
        elif agent not in over:
            way[agent] = None
            turns.append(iter(calls(agent)))
    return ()
