"""Rows of grants and of requests for them to the values they stand for, and back; and the statements with more to them.

Time is always the store's own clock. Ids that are no UUID are nobody's: they are not found, and no error.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, Table, and_, select, text, tuple_

from a2a_node.model.grant_ports import GrantFilter, GrantPlace
from a2a_node.model.grants import Grant, NewGrant, PermissionRequest, RequestStatus, expiry
from a2a_node.model.permissions import covering
from a2a_node.store.access_tables import permission_grants as grants
from a2a_node.store.access_tables import permission_requests as requests

SAME = ("granted_by", "granted_to", "permission", "granted_at", "delegable", "depth", "expires_at", "uses", "revoked")
ASKED = ("requester", "permission", "justification", "created_at", "expires_at", "ttl", "decided_by", "decided_at")
HOLD = and_(~grants.c.revoked, text("(expires_at IS NULL OR expires_at > clock_timestamp())"))

# a grant hangs from one that was there before it, so that there is no circle to walk in
REVOKE = text("""
WITH RECURSIVE fallen AS (
  SELECT id FROM permission_grants WHERE id = :id
  UNION SELECT below.id FROM permission_grants below JOIN fallen ON below.parent = fallen.id
)
UPDATE permission_grants SET revoked = true, revoked_at = clock_timestamp()
FROM fallen WHERE permission_grants.id = fallen.id AND NOT revoked
RETURNING permission_grants.id
""")

CLAIM = text("""
UPDATE permission_grants SET uses = uses + :count
WHERE id = :id AND NOT revoked AND (expires_at IS NULL OR expires_at > clock_timestamp())
RETURNING uses - :count AS first
""")

BOUND = text("""
SELECT DISTINCT granted_to, split_part(permission, ':', 1) AS resource
FROM permission_grants WHERE granted_to LIKE 'agent:%'
""")

LAPSE = text(
    "UPDATE permission_requests SET status = 'expired' WHERE status = 'pending' AND expires_at <= clock_timestamp()"
)

ASK = text("""
INSERT INTO permission_requests (requester, permission, justification, ttl, expires_at)
VALUES (:requester, :permission, :justification, :ttl, clock_timestamp() + make_interval(days => :days))
ON CONFLICT (requester, permission) WHERE status = 'pending' DO UPDATE SET requester = excluded.requester
RETURNING *
""")  # whoever asks the same at the same time gets the row that was there


def grant_from(row: RowMapping) -> Grant:
    """The grant of a row."""
    return Grant(
        id=str(row["id"]),
        conditions=tuple(row["conditions"]),
        parent=str(row["parent"] or ""),
        revoked_at=row["revoked_at"],
        **{name: row[name] for name in SAME},
    )


def grant_row(new: NewGrant, parent: Grant | None, now: datetime) -> dict[str, object]:
    """What the table keeps of a new grant."""
    return {
        "granted_by": new.granted_by,
        "granted_to": new.granted_to,
        "permission": new.permission,
        "delegable": new.delegable,
        "depth": new.depth,
        "expires_at": expiry(new, parent, now),
        "conditions": list(new.conditions),
        "parent": UUID(parent.id) if parent else None,
        "granted_at": now,
    }


def request_from(row: RowMapping, now: datetime) -> PermissionRequest:
    """The request of a row; one that nobody decided in time has expired, whatever the row says."""
    asked = PermissionRequest(
        id=str(row["id"]),
        status=RequestStatus(row["status"]),
        comment=row["comment"],
        grant=str(row["grant_id"] or ""),
        **{name: row[name] for name in ASKED},
    )
    over = asked.status is RequestStatus.PENDING and asked.expires_at <= now
    return replace(asked, status=RequestStatus.EXPIRED) if over else asked


def listed_grants(wanted: GrantFilter, after: GrantPlace | None, limit: int) -> Select[tuple[object, ...]]:
    """The grants that fit a filter, the newest first."""
    fits: list[ColumnElement[bool]] = [] if wanted.ended else [HOLD]
    if wanted.granted_to:
        fits.append(grants.c.granted_to == wanted.granted_to)
    if wanted.granted_by:
        fits.append(grants.c.granted_by == wanted.granted_by)
    if wanted.permission:
        fits.append(grants.c.permission.in_(covering(wanted.permission)))
    if wanted.parent:
        fits.append(grants.c.parent == as_uuid(wanted.parent))
    return _newest(grants, "granted_at", fits, (after, limit))


def listed_requests(
    requester: str, status: RequestStatus | None, after: GrantPlace | None, limit: int
) -> Select[tuple[object, ...]]:
    """The requests that fit, the newest first."""
    fits: list[ColumnElement[bool]] = []
    if requester:
        fits.append(requests.c.requester == requester)
    if status is not None:
        fits.append(requests.c.status == status.value)
    return _newest(requests, "created_at", fits, (after, limit))


def as_uuid(text_id: str) -> UUID:
    """The UUID of an id; the nil UUID, which nothing has, for what is none."""
    try:
        return UUID(text_id)
    except ValueError:
        return UUID(int=0)


def _newest(
    table: Table, time: str, fits: list[ColumnElement[bool]], part: tuple[GrantPlace | None, int]
) -> Select[tuple[object, ...]]:
    after, limit = part
    if after is not None:
        fits.append(tuple_(table.c[time], table.c.id) < tuple_(after[0], as_uuid(after[1])))
    return select(table).where(*fits).order_by(table.c[time].desc(), table.c.id.desc()).limit(limit)
