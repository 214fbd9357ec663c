"""Secrets of users as they stand in Postgres: encrypted with the mesh's passphrase, where it has one."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from functools import lru_cache

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from a2a_node.model.errors import SettingInvalid

SEALED, PLAIN = "sealed:", "plain:"
SALT, NONCE = 16, 12  # bytes
KNOWN = 64  # keys that are kept, as each takes some 30 ms to make


class Sealing:
    """Values to text and back. An empty passphrase encrypts nothing."""

    def __init__(self, passphrase: str = "") -> None:
        self._passphrase = passphrase.encode()
        self._salt = os.urandom(SALT)
        self._key = lru_cache(KNOWN)(self._made)

    def sealed(self, values: Mapping[str, str], about: str) -> str:
        """The values as they are written down; `about` has to be the same when they are read."""
        if not values:
            return ""
        said = orjson.dumps(dict(values))
        if not self._passphrase:
            return PLAIN + b64encode(said).decode()
        nonce = os.urandom(NONCE)
        hidden = AESGCM(self._key(self._salt)).encrypt(nonce, said, about.encode())
        return SEALED + b64encode(self._salt + nonce + hidden).decode()

    def opened(self, text: str, about: str) -> Mapping[str, str]:
        """The values; SettingInvalid when they are sealed with another passphrase."""
        if not text:
            return {}
        if text.startswith(PLAIN):
            values: dict[str, str] = orjson.loads(b64decode(text[len(PLAIN) :]))
            return values
        raw = b64decode(text[len(SEALED) :])
        salt, nonce, hidden = raw[:SALT], raw[SALT : SALT + NONCE], raw[SALT + NONCE :]
        try:
            values = orjson.loads(AESGCM(self._key(salt)).decrypt(nonce, hidden, about.encode()))
        except InvalidTag:
            why = f"is not the one that the secrets of {about} are encrypted with"
            raise SettingInvalid("mesh_passphrase", why) from None
        return values

    def _made(self, salt: bytes) -> bytes:
        return Scrypt(salt=salt, length=32, n=2**14, r=8, p=1).derive(self._passphrase)
