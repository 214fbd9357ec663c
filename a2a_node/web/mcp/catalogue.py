"""The tools that a caller may use: made once for each caller, and kept until the directory or a grant changes.

A tool is kept ready for all callers, as the bytes that they are sent, and a caller's list is a choice of them. Whoever
may do something on a condition has it in the list; whether the condition holds is for the call to find out.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf
from time import monotonic
from typing import Protocol

import orjson

from a2a_node.access.decisions import Decisions
from a2a_node.mesh.entries import Entry
from a2a_node.model.errors import PermissionDenied
from a2a_node.model.pages import after_token, page_token
from a2a_node.web.mcp.callers import Caller
from a2a_node.web.mcp.names import is_hashed, named, tool_name
from a2a_node.web.mcp.shapes import tool_of

PAGE = 1000  # tools
LISTS = 64  # callers whose lists are kept
TOOLS = 200_000  # in all those lists
PORTION = 200  # agents that are looked at before calls get their turn
SCOPE = "mcp tools"
Tool = tuple[str, bytes]  # its name, and all that `tools/list` says of it as JSON


class Agents(Protocol):
    """The directory, as far as it is needed here."""

    revision: int

    def agents(self) -> Sequence[Entry]:
        """All agents, by name."""


@dataclass(frozen=True, slots=True)
class Own:
    """A tool of the node's own, and the permission that it needs."""

    tool: Mapping[str, object]
    permission: str


@dataclass(frozen=True, slots=True)
class _Chosen:
    """What a caller may use, by name; as of the directory's revision and the grants' turn, until a grant ends."""

    turn: tuple[int, int]
    until: float
    names: Sequence[str]
    tools: Sequence[bytes]


class Catalogue:
    """Lists tools; `own` are those of the node."""

    def __init__(self, directory: Agents, decisions: Decisions, own: Sequence[Own]) -> None:
        self._directory, self._decisions, self._own = directory, decisions, own
        self._ready: dict[str, tuple[object, Sequence[Tool]]] = {}  # by agent, with the stamp of its entry
        self._lists: OrderedDict[object, _Chosen] = OrderedDict()
        self._hashed: tuple[int, Mapping[str, tuple[str, str]]] = (-1, {})
        self._making = asyncio.Lock()
        self._grants = 0  # how often they have changed
        decisions.following.listen(self._granted)

    async def page(self, caller: Caller, cursor: str) -> tuple[bytes, str]:
        """The tools after a cursor, as a JSON list, and the cursor of the next page, or none; PageTokenInvalid."""
        after = after_token(SCOPE, cursor)
        chosen = await self._chosen(caller)
        begin = bisect_right(chosen.names, after) if after else 0
        end = begin + PAGE
        following = page_token(SCOPE, chosen.names[end - 1]) if end < len(chosen.names) else ""
        return b"[%b]" % b",".join(chosen.tools[begin:end]), following

    def meant(self, tool: str) -> tuple[str, str] | None:
        """The agent and the capability of a tool's name; None for a name that stands for nothing."""
        return self._long_names().get(tool) if is_hashed(tool) else named(tool)

    async def _chosen(self, caller: Caller) -> _Chosen:
        key = (caller.chain, caller.scopes)
        async with self._making:
            kept = self._lists.get(key)
            if kept is None or kept.turn != self._turn() or kept.until <= monotonic():
                kept = await self._choose(caller)
                self._keep(key, kept)
            self._lists.move_to_end(key)
            return kept

    async def _choose(self, caller: Caller) -> _Chosen:
        turn, until = self._turn(), inf
        tools = [_ready(own.tool) for own in self._own if self._may(caller, own.permission) is not None]
        ready = await self._all_ready()
        for number, (agent, offered) in enumerate(ready, 1):
            end = self._may(caller, f"agent:{agent}:invoke")
            if end is not None:
                until = min(until, end)
                tools.extend(offered)
            if number % PORTION == 0:
                await asyncio.sleep(0)
        tools.sort()
        return _Chosen(turn, until, [name for name, _ in tools], [tool for _, tool in tools])

    def _turn(self) -> tuple[int, int]:
        return self._directory.revision, self._grants

    def _granted(self) -> None:
        self._grants += 1

    def _may(self, caller: Caller, permission: str) -> float | None:
        """Until when a caller may, conditions aside; None for never."""
        try:
            standing = self._decisions.settled(caller.asked(permission))
        except PermissionDenied:
            return None
        return inf if standing is None else standing.until

    async def _all_ready(self) -> Sequence[tuple[str, Sequence[Tool]]]:
        """The tools of all agents that are enabled; those that have not changed are as they were."""
        before, ready = self._ready, dict[str, tuple[object, Sequence[Tool]]]()
        entries = [entry for entry in self._directory.agents() if entry.agent.enabled]
        for number, entry in enumerate(entries, 1):
            known = before.get(entry.name)
            stamp = (entry.agent.id, entry.agent.revision, entry.agent.updated_at)
            ready[entry.name] = known if known is not None and known[0] == stamp else (stamp, _tools_of(entry))
            if number % PORTION == 0:
                await asyncio.sleep(0)
        self._ready = ready
        return [(name, tools) for name, (_, tools) in ready.items()]

    def _keep(self, key: object, chosen: _Chosen) -> None:
        self._lists[key] = chosen
        while len(self._lists) > 1 and (len(self._lists) > LISTS or self._kept_tools() > TOOLS):
            self._lists.popitem(last=False)

    def _kept_tools(self) -> int:
        return sum(len(chosen.names) for chosen in self._lists.values())

    def _long_names(self) -> Mapping[str, tuple[str, str]]:
        revision, names = self._hashed
        if revision != self._directory.revision:
            pairs = [
                (entry.name, offered.name)
                for entry in self._directory.agents()
                for offered in entry.agent.descriptor.capabilities
            ]
            names = {name: pair for pair in pairs if is_hashed(name := tool_name(*pair))}
            self._hashed = self._directory.revision, names
        return names


def _tools_of(entry: Entry) -> Sequence[Tool]:
    descriptor = entry.agent.descriptor
    return [_ready(tool_of(descriptor, capability)) for capability in descriptor.capabilities]


def _ready(tool: Mapping[str, object]) -> Tool:
    return str(tool["name"]), orjson.dumps(tool)
