"""Grants in memory: what the ones in Postgres do, for tests that need no Postgres."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from a2a_node.model.errors import GrantNotFound, RequestDecided, RequestNotFound
from a2a_node.model.grant_ports import GrantChanges, GrantFilter, GrantPlace
from a2a_node.model.grants import (
    REQUEST_DAYS,
    Decision,
    Grant,
    NewGrant,
    PermissionRequest,
    RequestStatus,
    check_narrower,
    check_pending,
    expiry,
)
from a2a_node.model.names import fresh_uuid
from a2a_node.model.permissions import covering, resource
from a2a_node.testing.losable import Losable, utc


class MemoryGrants(Losable):
    """The port `Grants` on dictionaries."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__(clock)
        self._changed: dict[str, int] = {}
        self._grants: dict[str, Grant] = {}
        self._requests: dict[str, PermissionRequest] = {}

    async def give(self, new: NewGrant) -> tuple[Grant, int]:
        """Keep a new grant, unless its parent no longer carries it."""
        given = self._given(new)
        return given, self._note([given.id])

    async def revoke(self, grant_id: str) -> tuple[Grant, int, int]:
        """End a grant and all that hangs from it."""
        now = self._now()
        self._found(grant_id)
        fallen = {grant_id}
        for grant in self._grants.values():  # in the order of giving: what hangs comes after what it hangs from
            if grant.parent in fallen:
                fallen.add(grant.id)
        ended = [one for one in fallen if not self._grants[one].revoked]
        for one in ended:
            self._grants[one] = replace(self._grants[one], revoked=True, revoked_at=now)
        return self._grants[grant_id], len(ended), self._note(ended) if ended else self._revision

    async def find(self, grant_id: str) -> Grant:
        """A grant, be it ended."""
        self._now()
        return self._found(grant_id)

    async def list(self, wanted: GrantFilter, after: GrantPlace | None, limit: int) -> Sequence[Grant]:
        """Grants that fit, the newest first, after a place."""
        now = self._now()
        found = sorted(
            (grant for grant in self._grants.values() if _fits(grant, wanted, now)),
            key=lambda grant: (grant.granted_at, grant.id),
            reverse=True,
        )
        return [grant for grant in found if after is None or (grant.granted_at, grant.id) < after][:limit]

    async def claim(self, grant_id: str, count: int) -> int | None:
        """Count out the next uses of a grant."""
        now, grant = self._now(), self._grants.get(grant_id)
        if grant is None or not grant.holds(now):
            return None
        self._grants[grant_id] = replace(grant, uses=grant.uses + count)
        return grant.uses

    async def ask(self, requester: str, permission: str, justification: str, ttl: float | None) -> PermissionRequest:
        """Keep a request, or find the same one, pending."""
        now = self._now()
        pending = [
            one for one in self._lapsed(now) if (one.requester, one.status) == (requester, RequestStatus.PENDING)
        ]
        for request in pending:
            if request.permission == permission:
                return request
        check_pending(len(pending))
        until = now + timedelta(days=REQUEST_DAYS)
        asked = PermissionRequest(fresh_uuid(), requester, permission, justification, now, until, ttl)
        self._requests[asked.id] = asked
        return asked

    async def request(self, request_id: str) -> PermissionRequest:
        """A request."""
        self._lapsed(self._now())
        return self._requested(request_id)

    async def decide(self, decision: Decision) -> tuple[PermissionRequest, Grant | None, int]:
        """Settle a request, with its grant, in one step."""
        now = self._now()
        self._lapsed(now)
        asked = self._requested(decision.request)
        if asked.status is not RequestStatus.PENDING:
            raise RequestDecided(decision.request, asked.status)
        given = self._given(decision.grant) if decision.grant else None
        settled = replace(
            asked,
            status=RequestStatus.APPROVED if given else RequestStatus.DENIED,
            decided_by=decision.decided_by,
            decided_at=now,
            comment=decision.comment,
            grant=given.id if given else "",
        )
        self._requests[settled.id] = settled
        return settled, given, self._note([given.id]) if given else self._revision

    async def requests(
        self, requester: str, status: RequestStatus | None, after: GrantPlace | None, limit: int
    ) -> Sequence[PermissionRequest]:
        """Requests that fit, the newest first, after a place."""
        found = sorted(self._lapsed(self._now()), key=lambda one: (one.created_at, one.id), reverse=True)
        return [
            one
            for one in found
            if requester in ("", one.requester)
            and status in (None, one.status)
            and (after is None or (one.created_at, one.id) < after)
        ][:limit]

    async def snapshot(self) -> GrantChanges:
        """All grants that hold, and in what agents are bound."""
        now, known = self._now(), self._grants.values()
        bound = {(one.granted_to, resource(one.permission)) for one in known if one.granted_to.startswith("agent:")}
        return GrantChanges(self._revision, now, [one for one in known if one.holds(now)], frozenset(bound))

    async def changes(self, after: int) -> GrantChanges | None:
        """What changed after a revision."""
        now = self._now()
        if after > self._revision:
            return None
        changed = [self._grants[one] for one, revision in self._changed.items() if revision > after]
        return GrantChanges(self._revision, now, changed)

    def _given(self, new: NewGrant) -> Grant:
        now = self._now()
        parent = self._found(new.parent) if new.parent else None
        if parent is not None:
            check_narrower(new, parent, now)
        given = Grant(
            id=fresh_uuid(),
            granted_by=new.granted_by,
            granted_to=new.granted_to,
            permission=new.permission,
            granted_at=now,
            delegable=new.delegable,
            depth=new.depth,
            expires_at=expiry(new, parent, now),
            conditions=new.conditions,
            parent=new.parent,
        )
        self._grants[given.id] = given
        return given

    def _note(self, ids: Sequence[str]) -> int:
        revision = self._commit()
        self._changed |= dict.fromkeys(ids, revision)
        return revision

    def _lapsed(self, now: datetime) -> Sequence[PermissionRequest]:
        for request in self._requests.values():
            if request.status is RequestStatus.PENDING and request.expires_at <= now:
                self._requests[request.id] = replace(request, status=RequestStatus.EXPIRED)
        return [*self._requests.values()]

    def _found(self, grant_id: str) -> Grant:
        if grant_id not in self._grants:
            raise GrantNotFound(grant_id)
        return self._grants[grant_id]

    def _requested(self, request_id: str) -> PermissionRequest:
        if request_id not in self._requests:
            raise RequestNotFound(request_id)
        return self._requests[request_id]


def _fits(grant: Grant, wanted: GrantFilter, now: datetime) -> bool:
    return (
        (wanted.ended or grant.holds(now))
        and wanted.granted_to in ("", grant.granted_to)
        and wanted.granted_by in ("", grant.granted_by)
        and wanted.parent in ("", grant.parent)
        and (not wanted.permission or grant.permission in covering(wanted.permission))
    )
