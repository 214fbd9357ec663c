"""Tokens (JWT): who signed them, whom they are for, how long they hold, and what that proves.

A token's own word decides nothing. Its issuer must be one that we trust, its key one of that issuer's, and its
algorithm the one of that key: so there is no `none`, and no public key that is taken for a secret.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic, time

import orjson
from jwt.api_jwt import decode
from jwt.exceptions import (
    ExpiredSignatureError,
    ImmatureSignatureError,
    InvalidAlgorithmError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidSignatureError,
    MissingRequiredClaimError,
    PyJWTError,
)

from a2a_node.access.issuers import Issuer, Issuers
from a2a_node.access.jwks import CheckingKey, public_key
from a2a_node.access.keyring import KnownKeyring
from a2a_node.access.mint import KEY_CLAIM, MESH
from a2a_node.model.errors import InvalidInput, Unauthenticated
from a2a_node.model.keys import Purpose
from a2a_node.model.permissions import checked_permission
from a2a_node.model.principal import KINDS, WRITTEN, Principal, Proof

LONGEST = 8192  # characters, looked at before anything else
MOST_SCOPES = 256
REASONS: Mapping[type[Exception], str] = {
    ExpiredSignatureError: "the token has expired",
    ImmatureSignatureError: "the token is not valid yet",
    InvalidAudienceError: "the token is for another audience",
    InvalidIssuerError: "the token is of another issuer",
    InvalidAlgorithmError: "the token's algorithm is not the one of its key",
    InvalidSignatureError: "the token's signature is wrong",
}
OF_MESH = Issuer(MESH, (MESH,), algorithms=frozenset(("EdDSA",)), kinds=KINDS)


@dataclass(frozen=True, slots=True)
class Written:
    """What a token says of itself, believed of nobody."""

    issuer: str
    key: str
    algorithm: str


class Tokens:
    """Checks tokens of the mesh and of other issuers; `leeway` seconds are given to clocks that differ."""

    def __init__(self, keyring: KnownKeyring, issuers: Issuers, leeway: float) -> None:
        self._keyring, self._issuers, self._leeway = keyring, issuers, leeway
        self._own: dict[str, CheckingKey] = {}
        keyring.listen(self._changed)

    async def proven(self, token: str) -> Proof:
        """What a token proves; Unauthenticated says what is wrong with it."""
        written = read(token)
        issuer, key = self._of_mesh(written) if written.issuer == MESH else await self._of_others(written)
        if key is None:
            raise Unauthenticated("the token names no key that its issuer has for its algorithm")
        claims = self._checked(token, issuer, key)
        return self._proof(claims, issuer, key)

    def stands(self, proof: Proof) -> bool:
        """Whether its signer still has the key that it was signed with."""
        name, _, key_id = proof.signer.rpartition(" ")
        if name == MESH:
            return key_id in self._own or self._own_key(key_id) is not None
        source = self._issuers.find(name)
        return source is not None and source.knows(key_id)

    def _of_mesh(self, written: Written) -> tuple[Issuer, CheckingKey | None]:
        return OF_MESH, self._own_key(written.key) if written.algorithm == "EdDSA" else None

    async def _of_others(self, written: Written) -> tuple[Issuer, CheckingKey | None]:
        source = self._issuers.find(written.issuer)
        if source is None:
            raise Unauthenticated("the token's issuer is not trusted here")
        key = source.key(written.key, written.algorithm)
        if key is None and not source.knows(written.key):
            await source.look_again()
            key = source.key(written.key, written.algorithm)
        return source.issuer, key

    def _own_key(self, key_id: str) -> CheckingKey | None:
        key = self._own.get(key_id)
        if key is None and (signer := self._keyring.book.signer(key_id, Purpose.TOKENS)) is not None:
            key = self._own[key_id] = public_key(key_id, signer.public)
        return key

    def _checked(self, token: str, issuer: Issuer, key: CheckingKey) -> Mapping[str, object]:
        try:
            claims: Mapping[str, object] = decode(
                token,
                key.key,
                algorithms=[key.algorithm],
                audience=issuer.audience,
                issuer=issuer.name,
                leeway=self._leeway,
                options={"require": ["exp", "iss", "aud", issuer.claim]},
            )
        except MissingRequiredClaimError as error:
            raise Unauthenticated(f"the token has no claim {error.claim!r}", lasting=True) from None
        except PyJWTError as error:
            early = isinstance(error, ImmatureSignatureError)
            raise Unauthenticated(REASONS.get(type(error), "the token is damaged"), lasting=not early) from None
        return claims

    def _proof(self, claims: Mapping[str, object], issuer: Issuer, key: CheckingKey) -> Proof:
        issued_under = str(claims.get(KEY_CLAIM, "")) if issuer is OF_MESH else ""
        ends = claims["exp"]
        return Proof(
            principal=_principal(claims.get(issuer.claim), issuer),
            scopes=_scopes(claims, issuer),
            until=monotonic() + float(ends if isinstance(ends, int | float) else 0) + self._leeway - time(),
            key=issued_under,
            token=str(claims.get("jti", ""))[:128],
            signer=f"{issuer.name} {key.id}",
        )

    def _changed(self) -> None:
        self._own.clear()


def read(token: str) -> Written:
    """Whose a token says that it is; Unauthenticated for what has not the form of one."""
    parts = token.split(".")
    if len(token) > LONGEST:
        raise Unauthenticated(f"the token has more than {LONGEST} characters")
    if len(parts) != 3:  # noqa: PLR2004 - header, claims, signature
        raise Unauthenticated("what was sent is neither a key of this mesh nor a token")
    header, claims = _opened(parts[0]), _opened(parts[1])
    named = (claims.get("iss"), header.get("kid", ""), header.get("alg"))
    if "crit" in header or not all(isinstance(name, str) for name in named):
        raise Unauthenticated("the token is damaged", lasting=True)
    return Written(*map(str, named))


def _opened(part: str) -> Mapping[str, object]:
    try:
        read = orjson.loads(base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True))
    except (binascii.Error, ValueError):
        read = None
    if not isinstance(read, dict):
        raise Unauthenticated("the token is damaged", lasting=True)
    return read


def _principal(name: object, issuer: Issuer) -> Principal:
    """Who calls; Unauthenticated where the issuer may not speak for whom it names."""
    text = f"{issuer.kind}:{name}" if issuer.kind else str(name)
    written = WRITTEN.fullmatch(text) if isinstance(name, str) else None
    if written is None:
        raise Unauthenticated(f"the token's claim {issuer.claim!r} names no principal such as person:ada")
    if written["kind"] not in issuer.kinds:
        raise Unauthenticated(f"the token's issuer may not speak for a principal that is a {written['kind']}")
    return Principal(written["kind"], written["name"])


def _scopes(claims: Mapping[str, object], issuer: Issuer) -> tuple[str, ...] | None:
    """The permissions that bound a token; None where it has none of the claims that could."""
    said = next((claims[name] for name in issuer.scopes if name in claims), None)
    if said is None:
        return None
    words = said.split() if isinstance(said, str) else said
    if not isinstance(words, list) or len(words) > MOST_SCOPES:
        raise Unauthenticated("the token's permissions are no list, or too many")
    return tuple(word for word in words if _is_permission(word))


def _is_permission(word: object) -> bool:
    """Whether it is one; others that issuers write there allow nothing here."""
    try:
        return isinstance(word, str) and bool(checked_permission("scope", word))
    except InvalidInput:
        return False
