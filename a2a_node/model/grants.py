"""Grants: permissions that principals give each other, and the rules that keep what is handed on narrower.

A grant hangs from the one that its giver holds, and ends with it. What it allows is never more: its permission is
covered, it ends no later, it is handed on less often, and the conditions of all grants above it hold for it, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from a2a_node.model.errors import GrantTooWide, InvalidInput
from a2a_node.model.permissions import covers

MOST_DEPTH = 8
REQUEST_DAYS = 7.0  # until a request that nobody decides is over
MOST_PENDING = 100  # requests of one principal


@dataclass(frozen=True, slots=True)
class NewGrant:
    """A grant that is about to be given; principals are texts such as `person:ada`."""

    granted_by: str
    granted_to: str
    permission: str
    delegable: bool = False
    depth: int = 0  # how many more times it may be handed on
    ttl: float | None = None  # seconds; None means as long as its parent
    conditions: tuple[str, ...] = ()
    parent: str = ""  # id of the grant that it hangs from; empty where its giver holds everything


@dataclass(frozen=True, slots=True)
class Grant:
    """A permission given by one principal to another."""

    id: str
    granted_by: str
    granted_to: str
    permission: str
    granted_at: datetime
    delegable: bool = False
    depth: int = 0
    expires_at: datetime | None = None
    conditions: tuple[str, ...] = ()
    parent: str = ""
    uses: int = 0  # how many have been counted out to nodes
    revoked: bool = False
    revoked_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it has neither been revoked nor expired; those above it are asked for themselves."""
        return not self.revoked and (self.expires_at is None or now < self.expires_at)


class RequestStatus(StrEnum):
    """How a request for a permission stands."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class PermissionRequest:
    """A principal's request for a permission."""

    id: str
    requester: str
    permission: str
    justification: str
    created_at: datetime
    expires_at: datetime
    ttl: float | None = None  # seconds, from the decision
    status: RequestStatus = RequestStatus.PENDING
    decided_by: str = ""
    decided_at: datetime | None = None
    comment: str = ""
    grant: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of a request: a grant to give, or none."""

    request: str
    decided_by: str
    comment: str = ""
    grant: NewGrant | None = None


def expiry(new: NewGrant, parent: Grant | None, now: datetime) -> datetime | None:
    """When the grant ends by itself; None for never."""
    if new.ttl is not None:
        return now + timedelta(seconds=new.ttl)
    return parent.expires_at if parent else None


def check_narrower(new: NewGrant, parent: Grant, now: datetime) -> None:
    """GrantTooWide says what would be wider than the grant that the new one is to hang from."""
    fault = wider(new, parent, now)
    if fault:
        raise GrantTooWide(new.granted_by, new.permission, f"grant {parent.id} {fault}")


def wider(new: NewGrant, parent: Grant, now: datetime) -> str:
    """What keeps the new grant from hanging from that parent, in words; empty when nothing does."""
    end, limit = expiry(new, parent, now), parent.expires_at
    faults = (
        (parent.granted_to != new.granted_by, f"belongs to {parent.granted_to}"),
        (not parent.holds(now), "has ended"),
        (not covers(parent.permission, new.permission), f"allows {parent.permission!r} alone"),
        (not parent.delegable or parent.depth < 1, "may not be handed on"),
        (new.depth >= parent.depth, f"may be handed on {parent.depth} times more, this one included"),
        (limit is not None and (end is None or end > limit), f"ends before that, at {limit} by the store's clock"),
    )
    return next((words for at_fault, words in faults if at_fault), "")


def check_pending(pending: int) -> None:
    """InvalidInput for a principal that has so many requests pending that nobody would read one more."""
    if pending >= MOST_PENDING:
        raise InvalidInput("permission", f"is one of {pending} that you have asked for; wait until some are decided")
