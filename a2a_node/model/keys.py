"""API keys: what the mesh keeps of them; and the keys that the mesh itself signs with.

An API key is `a2a_<id>_<secret>`: 12 characters that name it, then 256 random bits. The mesh keeps its SHA-256 alone,
which is enough: nobody guesses 256 bits, so that a slow hash would cost every caller and protect nobody.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from a2a_node.model.errors import InvalidInput

ID_BYTES, SECRET_BYTES = 6, 32
KEY_PREFIX = "a2a_"
LONGEST_KEY = 128  # characters; ours have 60
MOST_KEYS = 1000  # that one principal may have at a time: every node holds them in memory


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is about to be made; principals are texts such as `person:ada`."""

    principal: str
    created_by: str
    name: str = ""
    permissions: tuple[str, ...] = ()  # bound what it may be used for; none bounds nothing
    ttl: float | None = None  # seconds; None means until it is revoked


@dataclass(frozen=True, slots=True)
class ApiKey:
    """What the mesh keeps of a key."""

    id: str
    principal: str
    created_by: str
    created_at: datetime
    digest: bytes = field(default=b"", repr=False)  # SHA-256 of the whole key; empty where nobody needs to know it
    name: str = ""
    permissions: tuple[str, ...] = ()
    expires_at: datetime | None = None
    last_used_at: datetime | None = None  # to the minute
    revoked: bool = False
    revoked_at: datetime | None = None

    def holds(self, now: datetime) -> bool:
        """Whether it has neither been revoked nor expired."""
        return not self.revoked and (self.expires_at is None or now < self.expires_at)


class Purpose(StrEnum):
    """What a key of the mesh signs."""

    TOKENS = "tokens"
    NODES = "nodes"  # the certificates that nodes show each other


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key that the mesh signs with. Whoever reads the database reads its private part; see `mesh_passphrase`."""

    id: str
    purpose: Purpose
    public: str  # PEM: a public key, or the certificate of an authority
    created_at: datetime | None = None
    private: str = field(default="", repr=False)  # PEM, PKCS 8; empty where only the public part was asked for


def check_room(principal: str, held: int) -> None:
    """InvalidInput for a principal that has as many keys as it may."""
    if held >= MOST_KEYS:
        raise InvalidInput("principal", f"{principal} has {held} keys already; revoke those that nobody needs")


def fresh_key() -> tuple[str, str]:
    """The id of a new key, and the whole key."""
    # no `_` may stand in an id: it ends there
    key_id = base64.b32encode(secrets.token_bytes(ID_BYTES)).decode().rstrip("=").lower()
    return key_id, f"{KEY_PREFIX}{key_id}_{secrets.token_urlsafe(SECRET_BYTES)}"


def digest_of(key: str) -> bytes:
    """What is kept of a key."""
    return hashlib.sha256(key.encode()).digest()


def id_of(key: str) -> str:
    """The id in a key; empty for what has not the form of one."""
    if not key.startswith(KEY_PREFIX) or len(key) > LONGEST_KEY:
        return ""
    key_id, _, secret = key[len(KEY_PREFIX) :].partition("_")
    return key_id if secret else ""
