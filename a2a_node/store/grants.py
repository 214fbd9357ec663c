"""Grants in Postgres: who may do what, and who asks to. One change at a time in the whole mesh, heard by every node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime

from sqlalchemy import RowMapping, Update, insert, select, update

from a2a_node.model.errors import GrantNotFound, RequestDecided, RequestNotFound
from a2a_node.model.grant_ports import GrantChanges, GrantFilter, GrantPlace
from a2a_node.model.grants import (
    MOST_PENDING,
    REQUEST_DAYS,
    Decision,
    Grant,
    NewGrant,
    PermissionRequest,
    RequestStatus,
    check_narrower,
    check_pending,
)
from a2a_node.store import grant_rows as rows
from a2a_node.store.access_tables import permission_grants, permission_requests
from a2a_node.store.locks import Lock
from a2a_node.store.numbered import Kind, Numbered
from a2a_node.store.postgres import Postgres, Transaction

KIND = Kind(
    Lock.GRANTS,
    counter="grants_revision",
    channel="a2a_grants",
    stamp="UPDATE permission_grants SET revision = next.revision FROM next WHERE id = ANY(CAST(:ids AS uuid[]))",
)
PAGE = 250  # rows
MOST = 1000  # changed grants; beyond these a snapshot costs less


class PostgresGrants:
    """The port `Grants` on Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._numbered = Numbered(postgres, KIND)

    async def give(self, new: NewGrant) -> tuple[Grant, int]:
        """Keep a new grant, unless its parent no longer carries it."""
        async with self._numbered.change() as change:
            given = await _given(change, new)
            return given, await self._noted(change, [given.id])

    async def revoke(self, grant_id: str) -> tuple[Grant, int, int]:
        """End a grant and all that hangs from it."""
        async with self._numbered.change() as change:
            fallen = await change.fetch(rows.REVOKE, {"id": rows.as_uuid(grant_id)})
            grant = await _found(change, grant_id)
            revision = (
                await self._noted(change, [str(row["id"]) for row in fallen])
                if fallen
                else await self._numbered.revision(change)
            )
            return grant, len(fallen), revision

    async def find(self, grant_id: str) -> Grant:
        """A grant, be it ended."""
        async with self._postgres.reading() as transaction:
            return await _found(transaction, grant_id)

    async def list(self, wanted: GrantFilter, after: GrantPlace | None, limit: int) -> Sequence[Grant]:
        """Grants that fit, the newest first, after a place."""
        found = await self._postgres.fetch(rows.listed_grants(wanted, after, limit))
        return [rows.grant_from(row) for row in found]

    async def claim(self, grant_id: str, count: int) -> int | None:
        """Count out the next uses of a grant."""
        claimed = await self._postgres.fetch(rows.CLAIM, {"id": rows.as_uuid(grant_id), "count": count})
        return int(claimed[0]["first"]) if claimed else None

    async def ask(self, requester: str, permission: str, justification: str, ttl: float | None) -> PermissionRequest:
        """Keep a request, or find the same one, pending."""
        said = {"requester": requester, "permission": permission, "justification": justification, "ttl": ttl}
        pending = rows.listed_requests(requester, RequestStatus.PENDING, None, MOST_PENDING)
        async with self._postgres.writing() as transaction:
            await transaction.fetch(rows.LAPSE)
            asked = await transaction.fetch(pending)
            found = [row for row in asked if row["permission"] == permission]
            if not found:
                check_pending(len(asked))
                found = [*await transaction.fetch(rows.ASK, said | {"days": int(REQUEST_DAYS)})]
            return rows.request_from(found[0], await transaction.now())

    async def request(self, request_id: str) -> PermissionRequest:
        """A request."""
        async with self._postgres.reading() as transaction:
            return await _requested(transaction, request_id)

    async def decide(self, decision: Decision) -> tuple[PermissionRequest, Grant | None, int]:
        """Settle a request, with its grant, in one step."""
        async with self._numbered.change() as change:
            asked = await _requested(change, decision.request)
            if asked.status is not RequestStatus.PENDING:
                raise RequestDecided(decision.request, asked.status)
            given = await _given(change, decision.grant) if decision.grant else None
            await change.fetch(_settled(decision, given, await change.now()))
            revision = await self._noted(change, [given.id]) if given else await self._numbered.revision(change)
            return await _requested(change, decision.request), given, revision

    async def requests(
        self, requester: str, status: RequestStatus | None, after: GrantPlace | None, limit: int
    ) -> Sequence[PermissionRequest]:
        """Requests that fit, the newest first, after a place."""
        async with self._postgres.writing() as transaction:
            await transaction.fetch(rows.LAPSE)
            found = await transaction.fetch(rows.listed_requests(requester, status, after, limit))
            now = await transaction.now()
            return [rows.request_from(row, now) for row in found]

    async def snapshot(self) -> GrantChanges:
        """All grants that hold, and in what agents are bound."""
        async with self._postgres.reading() as transaction:
            revision, now = await self._numbered.revision(transaction), await transaction.now()
            bound = frozenset((row["granted_to"], row["resource"]) for row in await transaction.fetch(rows.BOUND))
            return GrantChanges(revision, now, [rows.grant_from(row) async for row in _holding(transaction)], bound)

    async def changes(self, after: int) -> GrantChanges | None:
        """What changed after a revision; None for another database than before, or too much."""
        since = select(permission_grants).where(permission_grants.c.revision > after).limit(MOST + 1)
        async with self._postgres.reading() as transaction:
            revision, now = await self._numbered.revision(transaction), await transaction.now()
            found = await transaction.fetch(since) if after < revision else ()
            if after > revision or len(found) > MOST:
                return None
            return GrantChanges(revision, now, [rows.grant_from(row) for row in found])

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of new revisions as they are committed."""
        return self._numbered.heard()

    async def _noted(self, change: Transaction, ids: Sequence[str]) -> int:
        return await self._numbered.note(change, {"ids": [rows.as_uuid(text) for text in ids]})


async def _holding(transaction: Transaction) -> AsyncIterator[RowMapping]:
    """All that hold, page by page: turning very many rows into values would hold up the loop."""
    page = select(permission_grants).where(rows.HOLD).order_by(permission_grants.c.id).limit(PAGE)
    found = await transaction.fetch(page)
    while found:
        for row in found:
            yield row
        rest = page.where(permission_grants.c.id > found[-1]["id"])
        found = await transaction.fetch(rest) if len(found) == PAGE else ()


async def _given(change: Transaction, new: NewGrant) -> Grant:
    now = await change.now()
    parent = await _found(change, new.parent) if new.parent else None
    if parent is not None:
        check_narrower(new, parent, now)
    entered = insert(permission_grants).values(rows.grant_row(new, parent, now)).returning(permission_grants)
    return rows.grant_from((await change.fetch(entered))[0])


def _settled(decision: Decision, given: Grant | None, now: datetime) -> Update:
    status = RequestStatus.APPROVED if given else RequestStatus.DENIED
    return (
        update(permission_requests)
        .where(permission_requests.c.id == rows.as_uuid(decision.request))
        .values(
            status=status.value,
            decided_by=decision.decided_by,
            decided_at=now,
            comment=decision.comment,
            grant_id=rows.as_uuid(given.id) if given else None,
        )
    )


async def _found(transaction: Transaction, grant_id: str) -> Grant:
    found = await transaction.fetch(select(permission_grants).where(permission_grants.c.id == rows.as_uuid(grant_id)))
    if not found:
        raise GrantNotFound(grant_id)
    return rows.grant_from(found[0])


async def _requested(transaction: Transaction, request_id: str) -> PermissionRequest:
    found = await transaction.fetch(
        select(permission_requests).where(permission_requests.c.id == rows.as_uuid(request_id))
    )
    if not found:
        raise RequestNotFound(request_id)
    return rows.request_from(found[0], await transaction.now())
