"""Making keys and tokens, and ending keys, under the rules of who may: nobody gets more by a key than its maker has."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic, time

from a2a_node.access.keyring import KnownKeyring
from a2a_node.access.mint import MESH, Claims, Mint
from a2a_node.model.errors import PermissionDenied, Unauthenticated
from a2a_node.model.key_ports import Keys
from a2a_node.model.keys import ApiKey, NewKey, digest_of, fresh_key
from a2a_node.model.permissions import covers
from a2a_node.model.principal import Principal, Proof


@dataclass(frozen=True, slots=True)
class TokenWanted:
    """What a token is asked to say; `ttl` in seconds."""

    principal: Principal
    ttl: float
    audience: tuple[str, ...] = ()
    permissions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Token:
    """A new token, its id, and when it ends."""

    text: str
    id: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Issuing:
    """Makes and ends keys, and makes tokens; `owner_of` tells who registered an agent, empty when nobody has."""

    store: Keys
    keyring: KnownKeyring
    mint: Mint
    roots: frozenset[Principal]
    owner_of: Callable[[str], str]
    leeway: float = 0.0  # seconds that tokens are believed beyond their end; none of it is handed on

    async def create(self, maker: Proof, new: NewKey) -> tuple[ApiKey, str]:
        """Make a key, with its secret; PermissionDenied for one that reaches further than its maker."""
        self._check_for(maker.principal, new.principal, "access:key")
        bounded = replace(new, permissions=narrowed(maker, new.permissions, "access:key"))
        key_id, text = fresh_key()
        key, revision = await self.store.create(bounded, key_id, digest_of(text))
        await self.keyring.reached(revision)
        return key, text

    async def revoke(self, principal: Principal, key_id: str) -> ApiKey:
        """End a key; PermissionDenied for one that is neither one's own nor of one's making. KeyNotFound."""
        key = await self.store.find(key_id)
        if principal not in self.roots and str(principal) not in (key.principal, key.created_by):
            raise PermissionDenied(str(principal), "access:key", "to end a key, it must be yours or of your making")
        key, revision = await self.store.revoke(key_id)
        await self.keyring.reached(revision)
        return key

    def token(self, maker: Proof, wanted: TokenWanted) -> Token:
        """Make a token, which ends with what its maker has shown; PermissionDenied for one that reaches further."""
        self._check_for(maker.principal, str(wanted.principal), "access:token")
        permissions = narrowed(maker, wanted.permissions, "access:token")
        left = maker.until - monotonic() - (self.leeway if maker.signer else 0.0)
        if left <= 0:
            raise Unauthenticated("the token has expired")
        ends = time() + min(wanted.ttl, left)
        text, token_id = self.mint.token(
            Claims(
                principal=str(wanted.principal),
                until=ends,
                audience=wanted.audience or (MESH,),
                permissions=permissions or None,
                key=maker.key,
            )
        )
        return Token(text, token_id, datetime.fromtimestamp(int(ends), UTC))

    def _check_for(self, maker: Principal, principal: str, permission: str) -> None:
        """PermissionDenied unless it is for oneself, or for one's own agent: whoever has it calls in that name."""
        if str(maker) == principal or maker in self.roots:
            return
        kind, _, name = principal.partition(":")
        if kind != "agent" or self.owner_of(name) != str(maker):
            why = "it would be another's; you can have it for yourself and for agents that you registered"
            raise PermissionDenied(str(maker), permission, why)


def narrowed(maker: Proof, permissions: tuple[str, ...], needed: str) -> tuple[str, ...]:
    """The permissions that bound what is made: those asked for, or else those that bound its maker's own key."""
    if maker.scopes is None:
        return permissions
    for asked in permissions:
        if not any(covers(scope, asked) for scope in maker.scopes):
            raise PermissionDenied("the key", asked, "it is bound to other permissions, and so is what it makes")
    if not permissions and not maker.scopes:
        raise PermissionDenied("the key", needed, "it is bound to nothing")
    return permissions or maker.scopes
