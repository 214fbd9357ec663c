"""Decisions: whether everybody in whose name something is to be done may do it, and on which grants that stands.

What is not granted is refused. A decision that stands on no condition is kept until something changes.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from math import inf
from time import monotonic

from a2a_node.access.book import Line
from a2a_node.access.conditions import Conditions, counts
from a2a_node.access.following import Following
from a2a_node.access.uses import Uses
from a2a_node.model.errors import PermissionDenied
from a2a_node.model.grants import Grant
from a2a_node.model.permissions import covers
from a2a_node.model.principal import Principal

KEPT = 10_000  # decisions; callers can name as many agents as they like
ROUNDS = 16  # tries to get a number while others take them
OF_NODES = ("agent:*:invoke", "call:*", "registry:read", "node:read", "peer:*")  # what nodes do for those who call them


@dataclass(frozen=True, slots=True)
class Asked:
    """Something to be done, and in whose name: the root's principal first, then the agents that act for it."""

    permission: str
    chain: tuple[Principal, ...]
    scopes: tuple[tuple[str, ...], ...] = ()  # what bounds the keys that were used on the way


@dataclass(frozen=True, slots=True)
class Facts:
    """What conditions see of a call: `call` and `context`."""

    call: Mapping[str, object]
    context: Mapping[str, object]


def without_call(asked: Asked, node_id: str, context: Mapping[str, object] | None = None) -> Facts:
    """What conditions see of something that is asked about at this node, and for which no agent is called now."""
    agent = asked.permission.split(":")[1] if asked.permission.startswith("agent:") else ""
    call = {
        "principal": str(asked.chain[0]),
        "agent": agent,
        "capability": "",
        "node": node_id,
        "region": "",
        "zone": "",
        "hops": len(asked.chain),
        "payload_bytes": 0,
        "cost": 1,
    }
    return Facts(call, context or {})


@dataclass(frozen=True, slots=True)
class Standing:
    """What a permission stands on."""

    until: float = inf  # on the monotonic clock
    grants: tuple[str, ...] = ()  # ids: it falls with any of them
    grant: str = ""  # the one that allows it to the last of the chain


FREE = Standing()
Numbers = Callable[[Grant], int]  # which use of a grant it would be, from 0
Step = tuple[Principal, tuple[Line, ...]]  # one of the chain, with the grants that may allow it


@dataclass(slots=True, eq=False)
class Decisions:
    """Decides from memory. `kept` holds decisions under keys of whoever asks, and is emptied on every change."""

    following: Following
    uses: Uses
    roots: frozenset[Principal] = frozenset()  # may do everything
    conditions: Conditions = field(default_factory=Conditions)
    kept: dict[Hashable, Standing] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.following.listen(self._changed)

    def keep(self, key: Hashable, standing: Standing) -> None:
        """Keep a decision until the next change."""
        if len(self.kept) >= KEPT:
            self.kept.clear()
        self.kept[key] = standing

    def settled(self, asked: Asked) -> Standing | None:
        """What it stands on, conditions aside; None when it stands on conditions. PermissionDenied."""
        lines = []
        for _, found in self._steps(asked):
            plain = [line for line in found if not any(grant.conditions for grant in line)]
            if not plain:
                return None
            lines.append(max(plain, key=self._end))
        return self._standing(lines)

    async def decided(self, asked: Asked, facts: Facts, *, count: bool = True) -> Standing:
        """What it stands on now; uses are counted unless this only asks. PermissionDenied, StoreUnavailable."""
        for _ in range(ROUNDS):
            lines = self._true(asked, facts, self.uses.number)
            counted = counted_in(lines) if count else ()
            missing = [grant for grant in counted if not self.uses.at_hand(grant)]
            if not missing:
                self.uses.use(counted)
                return self._standing(lines)
            for grant in missing:
                if not await self.uses.claim(grant, partial(self._far, grant, facts)):
                    raise PermissionDenied(str(asked.chain[0]), asked.permission, "the grant has just ended")
        raise PermissionDenied(str(asked.chain[0]), asked.permission, "too many ask at once for its last uses")

    def carried(self, asked: Asked, facts: Facts) -> Standing:
        """What it stands on now, where another node has decided before and counted the use. PermissionDenied."""
        return self._standing(self._true(asked, facts, _counted_before))

    def stands(self, standing: Standing) -> bool:
        """Whether all that it stood on still holds."""
        return self.following.book.hold(standing.grants)

    def _true(self, asked: Asked, facts: Facts, number: Numbers) -> list[Line]:
        """For each of the chain a grant whose conditions are true, with those above it."""
        with self.conditions.asked(self._values(facts)):
            return [self._first(asked, step, number) for step in self._steps(asked)]

    def _first(self, asked: Asked, step: Step, number: Numbers) -> Line:
        for line in step[1]:
            if all(self.conditions.hold(grant.conditions, number(grant)) for grant in line):
                return line
        raise PermissionDenied(str(step[0]), asked.permission, "its conditions are not met now")

    def _far(self, grant: Grant, facts: Facts, number: int) -> bool:
        with self.conditions.asked(self._values(facts)):
            return self.conditions.hold(grant.conditions, number)

    def _values(self, facts: Facts) -> Mapping[str, object]:
        return {"now": self.following.now(), "call": facts.call, "context": facts.context}

    def _steps(self, asked: Asked) -> list[Step]:
        """Those of the chain who need a grant, each with those that may do."""
        for scopes in asked.scopes:
            if not any(covers(scope, asked.permission) for scope in scopes):
                raise PermissionDenied("the key", asked.permission, "it is bound to other permissions")
        steps = []
        for place, principal in enumerate(asked.chain):
            if not self._free(principal, asked.permission, acts=place > 0):
                lines = tuple(self.following.book.lines(str(principal), asked.permission))
                if not lines:
                    raise PermissionDenied(str(principal), asked.permission)
                steps.append((principal, lines))
        return steps

    def _free(self, principal: Principal, permission: str, *, acts: bool) -> bool:
        """Whether somebody needs no grant.

        An agent that acts for others may do what they may, until it is given something of its own in that resource.
        """
        if principal in self.roots:
            return True
        if principal.kind == "node":
            return any(covers(held, permission) for held in OF_NODES)
        return acts and principal.kind == "agent" and not self.following.book.bound(str(principal), permission)

    def _standing(self, lines: Sequence[Line]) -> Standing:
        if not lines:
            return FREE
        return Standing(min(map(self._end, lines)), tuple({grant.id for grant in chain(*lines)}), lines[-1][0].id)

    def _end(self, line: Line) -> float:
        ends = [grant.expires_at for grant in line if grant.expires_at is not None]
        return monotonic() + (min(ends) - self.following.now()).total_seconds() if ends else inf

    def _changed(self) -> None:
        self.kept.clear()
        self.uses.forget(lambda grant: self.following.book.hold((grant,)))


def counted_in(lines: Sequence[Line]) -> Line:
    """The grants of these lines whose conditions ask how often they were used, each once."""
    return tuple({grant.id: grant for grant in chain(*lines) if counts(grant.conditions)}.values())


def _counted_before(_: Grant) -> int:
    """The number of a use that was counted elsewhere is not known here; the first one is as good as any."""
    return 0
