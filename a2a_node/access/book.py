"""The book of grants that hold: found by who has them and what they allow, each with the grants that it hangs from."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime

from a2a_node.model.grant_ports import GrantChanges
from a2a_node.model.grants import MOST_DEPTH, Grant
from a2a_node.model.permissions import ANY, covering, resource

SPARE = 1000  # ends of grants that ended before, until they are cleared away

Line = tuple[Grant, ...]  # a grant, then the one that it hangs from, and so on up


class Book:
    """Grants that hold, as of a revision; those that end leave it."""

    def __init__(self) -> None:
        self.revision = 0
        self._grants: dict[str, Grant] = {}
        self._had: dict[str, dict[str, dict[str, Grant]]] = {}  # by principal, permission and id
        self._bound: set[tuple[str, str]] = set()
        self._ends: list[tuple[datetime, str]] = []  # a heap; some may be of grants that ended before

    def replace(self, everything: GrantChanges) -> None:
        """Begin again with all that holds."""
        for kept in (self._grants, self._had, self._bound, self._ends):
            kept.clear()
        self._bound |= everything.bound
        self.take(everything)

    def take(self, changes: GrantChanges) -> None:
        """Take in grants that came, and those that ended."""
        for grant in changes.grants:
            self._remove(grant.id)
            if grant.granted_to.startswith("agent:"):
                self._bound.add((grant.granted_to, resource(grant.permission)))
            if grant.holds(changes.now):
                self._add(grant)
        self.revision = changes.revision

    def expire(self, now: datetime) -> bool:
        """Let go of grants whose time is over; whether there were any."""
        gone = 0
        while self._ends and self._ends[0][0] <= now:
            gone += self._remove(heapq.heappop(self._ends)[1])
        return gone > 0

    def lines(self, principal: str, wanted: str) -> Iterator[Line]:
        """The grants of a principal that cover a permission, each with those above it, if all of them hold."""
        for permission in covering(wanted) if principal in self._had else ():
            for grant in self._had[principal].get(permission, {}).values():
                line = self._line(grant)
                if line is not None:
                    yield line

    def line(self, grant_id: str) -> Line | None:
        """A grant with those above it; None when one of them has ended."""
        grant = self._grants.get(grant_id)
        return None if grant is None else self._line(grant)

    def hold(self, ids: Iterable[str]) -> bool:
        """Whether all of these grants hold."""
        return all(one in self._grants for one in ids)

    def bound(self, agent: str, permission: str) -> bool:
        """Whether an agent was ever given something in this permission's resource."""
        return (agent, resource(permission)) in self._bound or (agent, ANY) in self._bound

    def __len__(self) -> int:
        return len(self._grants)

    def _line(self, grant: Grant) -> Line | None:
        line = [grant]
        while line[-1].parent:
            above = self._grants.get(line[-1].parent)
            if above is None or len(line) > MOST_DEPTH:
                return None
            line.append(above)
        return tuple(line)

    def _add(self, grant: Grant) -> None:
        self._grants[grant.id] = grant
        self._had.setdefault(grant.granted_to, {}).setdefault(grant.permission, {})[grant.id] = grant
        if grant.expires_at is not None:
            heapq.heappush(self._ends, (grant.expires_at, grant.id))
            if len(self._ends) > 2 * len(self._grants) + SPARE:
                self._ends = sorted((one.expires_at, one.id) for one in self._grants.values() if one.expires_at)

    def _remove(self, grant_id: str) -> bool:
        grant = self._grants.pop(grant_id, None)
        if grant is None:
            return False
        had = self._had[grant.granted_to]
        del had[grant.permission][grant_id]
        if not had[grant.permission]:
            del had[grant.permission]
        if not had:
            del self._had[grant.granted_to]
        return True
