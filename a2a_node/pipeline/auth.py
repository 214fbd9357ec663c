"""The auth layer: who is calling; nobody unknown goes further."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Protocol

from a2a_node.model.call import Call, Layer, Proceed
from a2a_node.model.errors import Unauthenticated
from a2a_node.model.principal import NOBODY, Principal
from a2a_node.wire.calls import AUTHORIZATION

OPEN_TO_ALL = ("/grpc.health.v1.", "/grpc.reflection.")


class Keys(Protocol):
    """Whose key is it."""

    def principal_of(self, key: str) -> Principal | None:
        """The principal of a key; None when nobody has it."""


class KnownKeys:
    """The keys that a node is started with; only their hashes are kept."""

    def __init__(self, keys: Mapping[str, Principal]) -> None:
        self._principals = {_hash(key): principal for key, principal in keys.items()}

    def principal_of(self, key: str) -> Principal | None:
        """The principal of a key: looked up by its hash, so that the time taken tells nothing of a key."""
        return self._principals.get(_hash(key))


def auth(keys: Keys) -> Layer:
    """The layer; health and reflection are open, and so is a call that the node itself makes for a proven principal."""

    async def layer(call: Call, proceed: Proceed) -> None:
        if call.principal is NOBODY and not call.method.startswith(OPEN_TO_ALL):
            call.principal = identified(keys, call.metadata.get(AUTHORIZATION, ""))
        await proceed(call)

    return layer


def identified(keys: Keys, authorization: str) -> Principal:
    """The principal of an `authorization` entry; Unauthenticated says what is wrong with it."""
    if not authorization:
        raise Unauthenticated
    scheme, _, key = authorization.partition(" ")
    if scheme.lower() != "bearer" or not key:
        raise Unauthenticated("the authorization entry is not of the form `Bearer <key>`")
    principal = keys.principal_of(key)
    if principal is None:
        raise Unauthenticated("the key is not valid")
    return principal


def _hash(key: str) -> bytes:
    return hashlib.sha256(key.encode()).digest()
