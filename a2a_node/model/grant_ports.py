"""What keeps grants, and requests for them, as a port.

Every method raises StoreUnavailable, within about a second, when the store is away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from a2a_node.model.grants import Decision, Grant, NewGrant, PermissionRequest, RequestStatus

GrantPlace: TypeAlias = tuple[datetime, str]  # where a grant or a request stands in a list: its time, and its id


@dataclass(frozen=True, slots=True)
class GrantChanges:
    """Grants as of one revision: all that hold, or those that changed after another revision, ended ones among them.

    `bound` names agents and the resources in which they were ever given something, as `(agent:NAME, resource)`.
    """

    revision: int
    now: datetime  # by the store's clock
    grants: Sequence[Grant]
    bound: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class GrantFilter:
    """Which grants to list; what is empty is not looked at."""

    granted_to: str = ""
    granted_by: str = ""
    permission: str = ""  # those that would allow it
    parent: str = ""
    ended: bool = False  # those that ended, too


class Grants(Protocol):
    """The truth about grants and requests for them. Changes of grants get revisions that grow in commit order."""

    async def give(self, new: NewGrant) -> tuple[Grant, int]:
        """Keep a new grant; its revision. GrantTooWide unless its parent holds and is wider, GrantNotFound."""

    async def revoke(self, grant_id: str) -> tuple[Grant, int, int]:
        """End a grant and all that hangs from it; the grant, how many ended now, and the revision. GrantNotFound."""

    async def find(self, grant_id: str) -> Grant:
        """A grant, be it ended; GrantNotFound."""

    async def list(self, wanted: GrantFilter, after: GrantPlace | None, limit: int) -> Sequence[Grant]:
        """Grants that fit, the newest first, after a place."""

    async def claim(self, grant_id: str, count: int) -> int | None:
        """Count out the next `count` uses; the number of the first, from 0. None when the grant has ended.

        Makes no revision.
        """

    async def ask(self, requester: str, permission: str, justification: str, ttl: float | None) -> PermissionRequest:
        """Keep a request, or find the one that this requester has pending for this permission.

        InvalidInput when MOST_PENDING are pending.
        """

    async def request(self, request_id: str) -> PermissionRequest:
        """A request; RequestNotFound."""

    async def decide(self, decision: Decision) -> tuple[PermissionRequest, Grant | None, int]:
        """Settle a request, with its grant where it is approved, and the revision; RequestDecided, RequestNotFound.

        GrantTooWide and GrantNotFound as with `give`; then the request is as it was.
        """

    async def requests(
        self, requester: str, status: RequestStatus | None, after: GrantPlace | None, limit: int
    ) -> Sequence[PermissionRequest]:
        """Requests that fit, the newest first, after a place; an empty requester and None mean all."""

    async def snapshot(self) -> GrantChanges:
        """All grants that hold."""

    async def changes(self, after: int) -> GrantChanges | None:
        """What changed after that revision; None when a snapshot is needed instead."""

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of revisions that are committed after the block began, as with the registry."""
