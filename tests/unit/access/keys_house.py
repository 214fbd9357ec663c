"""A node's knowledge of keys and tokens on a store in memory, and issuers whose keys a test makes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from time import time

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from a2a_node.access.credentials import Credentials, KnownKeys
from a2a_node.access.issuers import Issuer, Issuers, Pace
from a2a_node.access.keyring import KnownKeyring
from a2a_node.access.last_uses import LastUses
from a2a_node.access.mint import Mint
from a2a_node.access.secrecy import Secrecy
from a2a_node.access.tokens import Tokens
from a2a_node.model.errors import Unauthenticated
from a2a_node.model.keys import ApiKey, NewKey, digest_of, fresh_key
from a2a_node.model.principal import Principal, Proof
from a2a_node.testing import MemoryKeys
from tests.unit.access.mesh import HABITS

ISSUER, AUDIENCE = "https://id.test/", "mesh"
LEEWAY = 5.0
DEV_KEY = "a2a_dev_secret-of-development"
Private = Ed25519PrivateKey | EllipticCurvePrivateKey | RSAPrivateKey
PRIVATE: Mapping[str, Private] = {
    "EdDSA": Ed25519PrivateKey.generate(),
    "ES256": generate_private_key(SECP256R1()),
    "RS256": generate_rsa(public_exponent=65537, key_size=2048),
}


def published(*algorithms: str, prefix: str = "") -> bytes:
    """The set of keys of these algorithms, each under the algorithm's name."""
    keys = [described(PRIVATE[algorithm]) | {"kid": prefix + algorithm} for algorithm in algorithms]
    return json.dumps({"keys": keys}).encode()


def described(key: Private) -> dict[str, object]:
    """The public part of a key, as sets of keys have it."""
    if isinstance(key, RSAPrivateKey):
        return jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    if isinstance(key, EllipticCurvePrivateKey):
        return jwt.algorithms.ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key(), as_dict=True)


def pem(algorithm: str) -> bytes:
    """The public key of an algorithm, as everybody may read it."""
    return PRIVATE[algorithm].public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def signed(algorithm: str = "EdDSA", key_id: str | None = None, **claims: object) -> str:
    """A token of the issuer; claims that are None are left out."""
    now = int(time())
    said = {"iss": ISSUER, "aud": AUDIENCE, "sub": "person:ada", "iat": now, "exp": now + 600} | claims
    kept = {name: value for name, value in said.items() if value is not None}
    headers = {"kid": algorithm if key_id is None else key_id}
    return jwt.encode(kept, PRIVATE[algorithm], algorithm, headers)


@dataclass
class House:
    """All that tells what somebody has proven."""

    store: MemoryKeys
    keyring: KnownKeyring
    mint: Mint
    issuers: Issuers
    tokens: Tokens
    credentials: Credentials
    uses: LastUses
    jwks: Path
    heard: list[str] = field(default_factory=list)

    async def key(self, principal: str = "person:ann", **bounds: object) -> tuple[ApiKey, str]:
        """A new key, known here."""
        key_id, text = fresh_key()
        new = NewKey(principal, "person:dev", **bounds)  # type: ignore[arg-type]
        key, revision = await self.store.create(new, key_id, digest_of(text))
        await self.keyring.reached(revision)
        return key, text

    async def end(self, key: ApiKey) -> None:
        """Revoke a key."""
        _, revision = await self.store.revoke(key.id)
        await self.keyring.reached(revision)

    async def shown(self, text: str) -> Proof | str:
        """What a key or token proves, or what is wrong with it."""
        authorization = f"Bearer {text}"
        try:
            return self.credentials.known(authorization) or await self.credentials.proven(authorization)
        except Unauthenticated as refusal:
            return refusal.variables["problem"]


@asynccontextmanager
async def housed(folder: Path, *more: Issuer, pace: Pace | None = None) -> AsyncIterator[House]:
    """One issuer whose keys lie in a file, and more."""
    jwks = folder / "jwks.json"
    jwks.write_bytes(published(*PRIVATE))
    store = MemoryKeys()
    trusted = [Issuer(ISSUER, (AUDIENCE, "other"), str(jwks)), *more]
    async with AsyncExitStack() as house:
        keyring = await house.enter_async_context(KnownKeyring.of_mesh(store, HABITS))
        mint = await house.enter_async_context(Mint.opened(store, keyring, Secrecy("a passphrase")))
        paces = pace or Pace(file=0.001, url=0.001, unknown=0.0)
        issuers = await house.enter_async_context(Issuers.followed(trusted, paces))
        uses = await house.enter_async_context(LastUses.written(store, keyring))
        tokens = Tokens(keyring, issuers, LEEWAY)
        credentials = Credentials(KnownKeys({DEV_KEY: Principal("person", "dev")}), keyring, tokens, uses)
        issuers.listen(credentials.issuers_changed)
        yield House(store, keyring, mint, issuers, tokens, credentials, uses, jwks)
