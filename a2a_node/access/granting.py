"""Giving grants and taking them back, under the rules of who may; the store checks again in the moment of writing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from a2a_node.access.book import Line
from a2a_node.access.conditions import checked_conditions
from a2a_node.access.following import Following
from a2a_node.expressions import fence
from a2a_node.model.errors import GrantTooWide, InvalidInput, PermissionDenied
from a2a_node.model.grant_ports import Grants
from a2a_node.model.grants import MOST_DEPTH, Decision, Grant, NewGrant, PermissionRequest, wider
from a2a_node.model.permissions import checked_permission, covers
from a2a_node.model.principal import Principal, checked_principal


@dataclass(frozen=True, slots=True)
class Giver:
    """Who gives: a principal itself, by its key."""

    principal: Principal
    scopes: tuple[str, ...] | None = None  # permissions that bound the key

    def check(self, permission: str) -> None:
        """PermissionDenied for what the key does not reach: whoever holds it could give themselves more by it."""
        if self.scopes is not None and not any(covers(scope, permission) for scope in self.scopes):
            raise PermissionDenied("the key", permission, "it is bound to other permissions")


@dataclass(frozen=True, slots=True)
class Granting:
    """Gives, revokes, and decides requests; what it has written is known here when it answers."""

    store: Grants
    following: Following
    roots: frozenset[Principal]

    async def give(self, giver: Giver, new: NewGrant) -> Grant:
        """Give a grant; GrantTooWide, InvalidInput, GrantNotFound."""
        grant, revision = await self.store.give(await self._prepared(giver, new))
        await self.following.reached(revision)
        return grant

    async def revoke(self, giver: Giver, grant_id: str) -> tuple[Grant, int]:
        """Take a grant back; how many ended with it. PermissionDenied, GrantNotFound."""
        grant = await self.store.find(grant_id)
        if not grant.revoked:
            self._check_revoker(giver, grant)
        grant, ended, revision = await self.store.revoke(grant_id)
        await self.following.reached(revision)
        return grant, ended

    async def approve(
        self, giver: Giver, decision: Decision, *, ttl: float | None, narrowing: tuple[str, ...]
    ) -> tuple[PermissionRequest, Grant | None]:
        """Give what a request asks for, for `ttl` seconds at most and under more conditions."""
        asked = await self.store.request(decision.request)
        if asked.ttl is not None and ttl is not None and ttl > asked.ttl:
            raise InvalidInput("ttl", f"{ttl:g} s is longer than the {asked.ttl:g} s that were asked for")
        new = NewGrant(
            str(giver.principal),
            asked.requester,
            asked.permission,
            ttl=asked.ttl if ttl is None else ttl,
            conditions=narrowing,
        )
        return await self._decide(replace(decision, grant=await self._prepared(giver, new)))

    async def deny(self, giver: Giver, decision: Decision) -> tuple[PermissionRequest, Grant | None]:
        """Say no to a request: only who could have given it can."""
        asked = await self.store.request(decision.request)
        await self._prepared(giver, NewGrant(str(giver.principal), asked.requester, asked.permission, ttl=1.0))
        return await self._decide(decision)

    async def _decide(self, decision: Decision) -> tuple[PermissionRequest, Grant | None]:
        request, grant, revision = await self.store.decide(decision)
        await self.following.reached(revision)
        return request, grant

    async def _prepared(self, giver: Giver, new: NewGrant) -> NewGrant:
        """The grant with the one that it hangs from; GrantTooWide when its giver has none that is wide enough."""
        if new.conditions:
            await fence.ready()
        new = checked(new)
        giver.check(new.permission)
        if new.parent:
            return new  # the store looks whether it will do
        if giver.principal in self.roots:
            return new
        return replace(new, parent=self._parent(giver, new))

    def _parent(self, giver: Giver, new: NewGrant) -> str:
        """The widest grant of the giver that the new one can hang from."""
        now = self.following.now()
        lines = list(self.following.book.lines(str(giver.principal), new.permission))
        fitting = [line for line in lines if not wider(new, line[0], now)]
        if fitting:
            return max(fitting, key=_width)[0].id
        if not lines:
            raise GrantTooWide(str(giver.principal), new.permission, "it has no grant that covers this")
        nearest = max(lines, key=lambda line: line[0].depth)[0]
        raise GrantTooWide(str(giver.principal), new.permission, f"grant {nearest.id} {wider(new, nearest, now)}")

    def _check_revoker(self, giver: Giver, grant: Grant) -> None:
        """PermissionDenied unless it is the giver's own, given by it, or hangs from what it gave."""
        giver.check(grant.permission)
        line = self.following.book.line(grant.id) or (grant,)
        who = str(giver.principal)
        if giver.principal not in self.roots and who != grant.granted_to and who not in _givers(line):
            why = "to take it back, it must be yours, of your giving, or hang from a grant of your giving"
            raise PermissionDenied(who, grant.permission, why)


def checked(new: NewGrant) -> NewGrant:
    """The new grant itself, in order; InvalidInput names the field at fault."""
    checked_principal("granted_to", new.granted_to)
    checked_permission("permission", new.permission)
    checked_conditions("conditions", new.conditions)
    if not 0 <= new.depth <= MOST_DEPTH:
        raise InvalidInput("depth", f"{new.depth} must be from 1 to {MOST_DEPTH}")
    if new.depth and not new.delegable:
        raise InvalidInput("depth", "is of delegable grants alone; set delegable, or leave it out")
    return replace(new, depth=max(new.depth, 1)) if new.delegable else new


def _givers(line: Iterable[Grant]) -> set[str]:
    return {grant.granted_by for grant in line}


def _width(line: Line) -> tuple[bool, datetime, int]:
    """How much a grant allows: without conditions before with, then for how long, then how often handed on."""
    conditional = any(grant.conditions for grant in line)
    return not conditional, _end(line[0]), line[0].depth


def _end(grant: Grant) -> datetime:
    return grant.expires_at or datetime.max.replace(tzinfo=grant.granted_at.tzinfo)
