"""Keys and tokens: made, listed and ended."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypedDict, Unpack

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.client.records import moment
from a2a_node.model.keys import ApiKey
from a2a_node.wire.agents import duration
from a2a_node.wire.keys import to_key
from a2amesh.v1 import access_service_pb2 as pb

_CREATE = Rpc("AccessService/CreateKey", pb.CreateKeyRequest, pb.CreateKeyResponse)
_REVOKE = Rpc("AccessService/RevokeKey", pb.RevokeKeyRequest, pb.RevokeKeyResponse)
_LIST = Rpc("AccessService/ListKeys", pb.ListKeysRequest, pb.ListKeysResponse)
_ISSUE = Rpc("AccessService/IssueToken", pb.IssueTokenRequest, pb.IssueTokenResponse)


@dataclass(frozen=True, slots=True)
class CreatedKey:
    """A new key; its secret, which is the whole key, is shown only here."""

    key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Token:
    """A new token, to send as a key is sent."""

    token: str = field(repr=False)
    id: str
    expires_at: datetime


class Reach(TypedDict, total=False):
    """For whom a key or token is, and how far it reaches; what is absent bounds nothing."""

    principal: str  # absent means oneself
    permissions: Sequence[str]
    ttl: float  # seconds; absent means for good for a key, 15 minutes for a token


class Keys:
    """Keys and tokens. Principals are written as `person:ada`, permissions as `agent:echo:invoke`."""

    def __init__(self, connection: Anywhere) -> None:
        self._connection = connection

    async def create(self, name: str = "", **reach: Unpack[Reach]) -> CreatedKey:
        """Make a key; PermissionDenied for somebody else's, or for one that reaches further than one's own."""
        ttl = reach.get("ttl")
        request = pb.CreateKeyRequest(
            principal=reach.get("principal", ""),
            name=name,
            permissions=reach.get("permissions", ()),
            ttl=None if ttl is None else duration(ttl),
        )
        response = await self._connection.ask(_CREATE, request, terms())
        return CreatedKey(to_key(response.key), response.secret)

    async def revoke(self, key_id: str) -> ApiKey:
        """End a key, with the tokens and streams that stand on it; KeyNotFound, PermissionDenied."""
        return to_key((await self._connection.ask(_REVOKE, pb.RevokeKeyRequest(key_id=key_id), terms())).key)

    async def list(self, *, principal: str = "", include_ended: bool = False) -> AsyncIterator[ApiKey]:
        """Keys, the newest first, fetched page by page."""
        request = pb.ListKeysRequest(principal=principal, include_ended=include_ended)
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.keys:
                yield to_key(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def token(self, *, audience: Sequence[str] = (), **reach: Unpack[Reach]) -> Token:
        """Make a token, which ends with one's own key at the latest; PermissionDenied as with keys."""
        ttl = reach.get("ttl")
        request = pb.IssueTokenRequest(
            principal=reach.get("principal", ""),
            audience=audience,
            permissions=reach.get("permissions", ()),
            ttl=None if ttl is None else duration(ttl),
        )
        response = await self._connection.ask(_ISSUE, request, terms())
        return Token(response.token, response.token_id, moment(response.expire_time))
