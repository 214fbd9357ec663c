"""Grants: who may do what, who asks to, and whether somebody may."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict, Unpack

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.model.grants import Grant, PermissionRequest, RequestStatus
from a2a_node.wire.agents import duration
from a2a_node.wire.grants import from_request_status, to_grant, to_request
from a2a_node.wire.payloads import from_mapping
from a2amesh.v1 import access_service_pb2 as pb

_GRANT = Rpc("AccessService/Grant", pb.GrantRequest, pb.GrantResponse)
_REVOKE = Rpc("AccessService/Revoke", pb.RevokeRequest, pb.RevokeResponse)
_CHECK = Rpc("AccessService/CheckPermission", pb.CheckPermissionRequest, pb.CheckPermissionResponse)
_LIST = Rpc("AccessService/ListGrants", pb.ListGrantsRequest, pb.ListGrantsResponse)
_ASK = Rpc("AccessService/RequestPermission", pb.RequestPermissionRequest, pb.RequestPermissionResponse)
_DECIDE = Rpc("AccessService/DecideRequest", pb.DecideRequestRequest, pb.DecideRequestResponse)
_REQUESTS = Rpc("AccessService/ListRequests", pb.ListRequestsRequest, pb.ListRequestsResponse)


@dataclass(frozen=True, slots=True)
class Check:
    """Whether something may be done now, and why."""

    allowed: bool
    explanation: str
    grant: str = ""


class Bounds(TypedDict, total=False):
    """What narrows a grant; what is absent bounds it no further than the grant that it hangs from."""

    ttl: float  # seconds
    conditions: Sequence[str]  # CEL


class Terms(Bounds, total=False):
    """What a grant is given with."""

    depth: int  # how many times it may be handed on; absent means not at all
    parent: str  # the id of the grant to hang it from; absent means the widest that fits


class GrantsWanted(TypedDict, total=False):
    """Which grants to list; what is absent is not looked at."""

    granted_to: str
    granted_by: str
    permission: str
    parent_grant_id: str
    include_ended: bool


class Grants:
    """Grants and requests for them. Principals are written as `person:ada`, permissions as `agent:echo:invoke`."""

    def __init__(self, connection: Anywhere) -> None:
        self._connection = connection

    async def give(self, granted_to: str, permission: str, **with_terms: Unpack[Terms]) -> Grant:
        """Give a permission in one's own name; PermissionDenied where one has not enough to give."""
        depth, ttl = with_terms.get("depth", 0), with_terms.get("ttl")
        request = pb.GrantRequest(
            granted_to=granted_to,
            permission=permission,
            delegable=depth > 0,
            depth=depth,
            ttl=None if ttl is None else duration(ttl),
            conditions=with_terms.get("conditions", ()),
            parent_grant_id=with_terms.get("parent", ""),
        )
        return to_grant((await self._connection.ask(_GRANT, request, terms())).grant)

    async def revoke(self, grant_id: str) -> int:
        """Take a grant back, with all that hangs from it; how many ended. GrantNotFound, PermissionDenied."""
        request = pb.RevokeRequest(grant_id=grant_id)
        return (await self._connection.ask(_REVOKE, request, terms())).revoked_grants

    async def check(
        self,
        permission: str,
        principal: str = "",
        *,
        acting_for: Sequence[str] = (),
        context: Mapping[str, object] | None = None,
    ) -> Check:
        """Whether a principal, oneself when absent, may do something now."""
        request = pb.CheckPermissionRequest(
            permission=permission,
            principal=principal,
            acting_for=acting_for,
            context=None if context is None else from_mapping(context, "context"),
        )
        response = await self._connection.ask(_CHECK, request, terms())
        return Check(response.allowed, response.explanation, response.grant_id)

    async def list(self, **only: Unpack[GrantsWanted]) -> AsyncIterator[Grant]:
        """The grants that hold, the newest first, fetched page by page."""
        request = pb.ListGrantsRequest(**only)
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.grants:
                yield to_grant(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def ask(self, permission: str, justification: str, *, ttl: float | None = None) -> PermissionRequest:
        """Ask for a permission, for `ttl` seconds from the decision."""
        request = pb.RequestPermissionRequest(
            permission=permission, justification=justification, ttl=None if ttl is None else duration(ttl)
        )
        return to_request((await self._connection.ask(_ASK, request, terms())).request)

    async def decide(
        self, request_id: str, *, approve: bool, comment: str = "", **bounds: Unpack[Bounds]
    ) -> PermissionRequest:
        """Approve a request within bounds, or deny it; RequestDecided, PermissionDenied."""
        ttl = bounds.get("ttl")
        request = pb.DecideRequestRequest(
            request_id=request_id,
            decision=pb.PERMISSION_DECISION_APPROVE if approve else pb.PERMISSION_DECISION_DENY,
            comment=comment,
            ttl=None if ttl is None else duration(ttl),
            conditions=bounds.get("conditions", ()),
        )
        return to_request((await self._connection.ask(_DECIDE, request, terms())).request)

    async def requests(
        self, *, requester: str = "", status: RequestStatus | None = None
    ) -> AsyncIterator[PermissionRequest]:
        """Requests, the newest first, fetched page by page."""
        request = pb.ListRequestsRequest(requester=requester, status=from_request_status(status))
        while True:
            page = await self._connection.ask(_REQUESTS, request, terms())
            for message in page.requests:
                yield to_request(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
