"""AccessService: grants of permissions, requests for them, and questions about them."""

from __future__ import annotations

from a2a_node.access.conditions import bounded_context
from a2a_node.access.decisions import Asked, Decisions, without_call
from a2a_node.access.granting import Giver, Granting
from a2a_node.access.issuing import Issuing
from a2a_node.access.switch import Switch
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, PermissionDenied
from a2a_node.model.grant_ports import GrantFilter, Grants
from a2a_node.model.grants import Decision, NewGrant, RequestStatus
from a2a_node.model.names import checked_text, checked_uuid
from a2a_node.model.pages import after_token, page_size, page_token
from a2a_node.model.permissions import checked_permission
from a2a_node.model.principal import checked_principal
from a2a_node.services.fields import checked_span, mark, marked
from a2a_node.services.freezes import FreezeRpcs
from a2a_node.services.keys import KeyRpcs
from a2a_node.wire.grants import from_grant, from_request, to_request_status
from a2a_node.wire.payloads import to_mapping
from a2amesh.v1 import access_service_pb2 as pb

WORDS = 2000  # characters of a justification or a comment
LEAST_TTL, MOST_TTL = 0.001, 100 * 366 * 86_400.0  # seconds
MOST_ACTING = 16
CONTEXT_BYTES = 16 << 10

Timed = pb.GrantRequest | pb.RequestPermissionRequest | pb.DecideRequestRequest


class AccessService(KeyRpcs, FreezeRpcs):
    """Grants, requests, keys and freezes; `granting` and `issuing` know the rules, `decisions` what they come to."""

    descriptor = pb.DESCRIPTOR.services_by_name["AccessService"]

    def __init__(
        self, grants: Grants, granting: Granting, decisions: Decisions, issuing: Issuing, switch: Switch
    ) -> None:
        KeyRpcs.__init__(self, issuing)
        FreezeRpcs.__init__(self, switch)
        self._grants = grants
        self._granting = granting
        self._decisions = decisions
        self._node_id = switch.node_id

    async def grant(self, request: pb.GrantRequest, call: Call) -> pb.GrantResponse:
        """Give a permission in the caller's name."""
        giver = _giver(call, request.permission)
        new = NewGrant(
            str(giver.principal),
            request.granted_to,
            request.permission,
            delegable=request.delegable,
            depth=request.depth,
            ttl=_ttl(request),
            conditions=tuple(request.conditions),
            parent=checked_uuid("parent_grant_id", request.parent_grant_id) if request.parent_grant_id else "",
        )
        return pb.GrantResponse(grant=from_grant(await self._granting.give(giver, new)))

    async def revoke(self, request: pb.RevokeRequest, call: Call) -> pb.RevokeResponse:
        """Take a grant back, with all that hangs from it."""
        grant_id = checked_uuid("grant_id", request.grant_id)
        grant, ended = await self._granting.revoke(_giver(call, "access:revoke"), grant_id)
        return pb.RevokeResponse(grant=from_grant(grant), revoked_grants=ended)

    async def check_permission(self, request: pb.CheckPermissionRequest, call: Call) -> pb.CheckPermissionResponse:
        """Say whether something may be done now, counting nothing."""
        asked = _asked(request, call)
        if asked.chain != (call.principal,):
            self._check_may_ask(call)
        context = bounded_context("context", to_mapping(request.context), CONTEXT_BYTES)
        try:
            facts = without_call(asked, self._node_id, context)
            standing = self._decisions.settled(asked) or await self._decisions.decided(asked, facts, count=False)
        except PermissionDenied as denied:
            return pb.CheckPermissionResponse(explanation=denied.message)
        why = f"grant {standing.grant} allows it" if standing.grant else "no grant is needed for it"
        return pb.CheckPermissionResponse(allowed=True, explanation=why, grant_id=standing.grant)

    async def list_grants(self, request: pb.ListGrantsRequest, _: Call) -> pb.ListGrantsResponse:
        """The grants that fit the filters, the newest first."""
        wanted, size = _wanted(request), page_size(request.page_size)
        scope = repr(wanted)
        found = await self._grants.list(wanted, marked(after_token(scope, request.page_token)), size + 1)
        page = found[:size]
        return pb.ListGrantsResponse(
            grants=[from_grant(grant) for grant in page],
            next_page_token=page_token(scope, mark(page[-1].granted_at, page[-1].id)) if len(found) > size else "",
        )

    async def request_permission(
        self, request: pb.RequestPermissionRequest, call: Call
    ) -> pb.RequestPermissionResponse:
        """Ask for a permission in the caller's own name."""
        permission = checked_permission("permission", request.permission)
        if not request.justification:
            raise InvalidInput("justification", "is required")
        why = checked_text("justification", request.justification, WORDS)
        giver = _giver(call, permission)
        asked = await self._grants.ask(str(giver.principal), permission, why, _ttl(request))
        return pb.RequestPermissionResponse(request=from_request(asked))

    async def decide_request(self, request: pb.DecideRequestRequest, call: Call) -> pb.DecideRequestResponse:
        """Approve or deny a request."""
        giver = _giver(call, "access:grant")
        decision = Decision(
            checked_uuid("request_id", request.request_id),
            str(giver.principal),
            checked_text("comment", request.comment, WORDS),
        )
        if request.decision == pb.PERMISSION_DECISION_APPROVE:
            narrowing = tuple(request.conditions)
            asked, grant = await self._granting.approve(giver, decision, ttl=_ttl(request), narrowing=narrowing)
        elif request.decision == pb.PERMISSION_DECISION_DENY:
            asked, grant = await self._granting.deny(giver, decision)
        else:
            raise InvalidInput("decision", "is required: approve or deny")
        return pb.DecideRequestResponse(request=from_request(asked), grant=from_grant(grant) if grant else None)

    async def list_requests(self, request: pb.ListRequestsRequest, _: Call) -> pb.ListRequestsResponse:
        """The requests that fit the filters, the newest first."""
        status, size = _status(request), page_size(request.page_size)
        if request.requester:
            checked_principal("requester", request.requester)
        scope = repr(("requests", request.requester, status))
        after = marked(after_token(scope, request.page_token))
        found = await self._grants.requests(request.requester, status, after, size + 1)
        page = found[:size]
        return pb.ListRequestsResponse(
            requests=[from_request(asked) for asked in page],
            next_page_token=page_token(scope, mark(page[-1].created_at, page[-1].id)) if len(found) > size else "",
        )

    def _check_may_ask(self, call: Call) -> None:
        scopes = () if call.scopes is None else (call.scopes,)
        if self._decisions.settled(Asked("access:check", (call.principal,), scopes)) is None:
            raise PermissionDenied(str(call.principal), "access:check", "a grant without conditions is needed for it")


def _giver(call: Call, permission: str) -> Giver:
    """The caller, by its own key: an agent at work for others gives nothing away, neither in its name nor in theirs."""
    if call.envelope is not None and call.envelope.authority:
        why = "an agent at work for others cannot do this; leave the call token out"
        raise PermissionDenied(str(call.principal), permission, why)
    return Giver(call.principal, call.scopes)


def _asked(request: pb.CheckPermissionRequest, call: Call) -> Asked:
    permission = checked_permission("permission", request.permission, exact=True)
    if len(request.acting_for) > MOST_ACTING:
        raise InvalidInput("acting_for", f"has {len(request.acting_for)} principals, the limit is {MOST_ACTING}")
    acting_for = [checked_principal(f"acting_for[{n}]", text) for n, text in enumerate(request.acting_for)]
    principal = checked_principal("principal", request.principal) if request.principal else call.principal
    own = principal == call.principal  # asked about itself, a caller hears what its key comes to
    scopes = (call.scopes,) if own and call.scopes is not None else ()
    return Asked(permission, (*acting_for, principal), scopes)


def _ttl(request: Timed) -> float | None:
    return checked_span("ttl", request.ttl, LEAST_TTL, MOST_TTL) if request.HasField("ttl") else None


def _wanted(request: pb.ListGrantsRequest) -> GrantFilter:
    for field in ("granted_to", "granted_by"):
        if text := getattr(request, field):
            checked_principal(field, text)
    return GrantFilter(
        granted_to=request.granted_to,
        granted_by=request.granted_by,
        permission=checked_permission("permission", request.permission) if request.permission else "",
        parent=checked_uuid("parent_grant_id", request.parent_grant_id) if request.parent_grant_id else "",
        ended=request.include_ended,
    )


def _status(request: pb.ListRequestsRequest) -> RequestStatus | None:
    status = to_request_status(request.status)
    if request.status and status is None:
        raise InvalidInput("status", f"{request.status} is no status of a request")
    return status
