"""The RPCs of AccessService that are about keys and tokens."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from a2a_node.access.issuing import Issuing, TokenWanted
from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, PermissionDenied
from a2a_node.model.keys import NewKey
from a2a_node.model.names import checked_text
from a2a_node.model.pages import after_token, page_size, page_token
from a2a_node.model.permissions import checked_permission
from a2a_node.model.principal import Principal, Proof, checked_principal
from a2a_node.services.fields import checked_span, mark, marked
from a2a_node.wire.agents import timestamp
from a2a_node.wire.keys import from_key
from a2amesh.v1 import access_service_pb2 as pb

NAME = 63  # characters
MOST = 64  # permissions, and audiences
LEAST_TTL, MOST_TTL = 1.0, 100 * 366 * 86_400.0  # seconds, of a key
LONGEST, USUAL = 86_400.0, 900.0  # seconds, of a token


class ForWhom(Protocol):
    """A request that says for whom a key or token is."""

    principal: str


class KeyRpcs:
    """Keys and tokens; `issuing` knows the rules."""

    def __init__(self, issuing: Issuing) -> None:
        self._issuing = issuing

    async def create_key(self, request: pb.CreateKeyRequest, call: Call) -> pb.CreateKeyResponse:
        """Make a key and show it, once."""
        new = NewKey(
            principal=str(_for_whom(request, call)),
            created_by=str(call.principal),
            name=checked_text("name", request.name, NAME),
            permissions=_permissions(request.permissions),
            ttl=checked_span("ttl", request.ttl, LEAST_TTL, MOST_TTL) if request.HasField("ttl") else None,
        )
        key, secret = await self._issuing.create(_shown(call, "access:key"), new)
        return pb.CreateKeyResponse(key=from_key(key), secret=secret)

    async def revoke_key(self, request: pb.RevokeKeyRequest, call: Call) -> pb.RevokeKeyResponse:
        """End a key."""
        if not request.key_id:
            raise InvalidInput("key_id", "is required")
        principal = _shown(call, "access:key").principal
        return pb.RevokeKeyResponse(key=from_key(await self._issuing.revoke(principal, request.key_id)))

    async def list_keys(self, request: pb.ListKeysRequest, _: Call) -> pb.ListKeysResponse:
        """The keys that fit the filters, the newest first."""
        size = page_size(request.page_size)
        if request.principal:
            checked_principal("principal", request.principal)
        scope = repr(("keys", request.principal, request.include_ended))
        after = marked(after_token(scope, request.page_token))
        found = await self._issuing.store.list(request.principal, after, size + 1, ended=request.include_ended)
        page = found[:size]
        return pb.ListKeysResponse(
            keys=[from_key(key) for key in page],
            next_page_token=page_token(scope, mark(page[-1].created_at, page[-1].id)) if len(found) > size else "",
        )

    async def issue_token(self, request: pb.IssueTokenRequest, call: Call) -> pb.IssueTokenResponse:
        """Make a token."""
        ttl = checked_span("ttl", request.ttl, 1.0, LONGEST) if request.HasField("ttl") else USUAL
        if len(request.audience) > MOST:
            raise InvalidInput("audience", f"has {len(request.audience)} entries, the limit is {MOST}")
        audience = tuple(checked_text("audience", one, 255) for one in request.audience)
        wanted = TokenWanted(_for_whom(request, call), ttl, audience, _permissions(request.permissions))
        token = self._issuing.token(_shown(call, "access:token"), wanted)
        return pb.IssueTokenResponse(token=token.text, token_id=token.id, expire_time=timestamp(token.expires_at))


def _for_whom(request: ForWhom, call: Call) -> Principal:
    return checked_principal("principal", request.principal) if request.principal else call.principal


def _permissions(texts: Iterable[str]) -> tuple[str, ...]:
    permissions = tuple(checked_permission(f"permissions[{n}]", text) for n, text in enumerate(texts))
    if len(permissions) > MOST:
        raise InvalidInput("permissions", f"has {len(permissions)} entries, the limit is {MOST}")
    return permissions


def _shown(call: Call, permission: str) -> Proof:
    """What the caller has shown, by its own key: an agent at work for others makes no keys, neither in its name."""
    if call.envelope is not None and call.envelope.authority:
        why = "an agent at work for others cannot do this; leave the call token out"
        raise PermissionDenied(str(call.principal), permission, why)
    return call.proof or Proof(call.principal, call.scopes)
