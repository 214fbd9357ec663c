"""Sets of public keys (JWKS), as issuers publish them: what of them may check a token, and by which algorithm."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import orjson
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import HMACAlgorithm, OKPAlgorithm
from jwt.api_jwk import PyJWK
from jwt.exceptions import PyJWTError

MOST = 64  # keys of a set
SIZE = 256 * 1024  # bytes of it
LOOPBACK = ("127.0.0.1", "::1", "localhost")
LEAST_RSA = 2048  # bits
SECRET_ALGORITHM = "HS256"  # noqa: S105 - the name of an algorithm
ALGORITHMS = ("EdDSA", "ES256", "RS256")


@dataclass(frozen=True, slots=True)
class CheckingKey:
    """A key that checks tokens, and the one algorithm that it does so by: a token's own word for it is never taken."""

    id: str
    algorithm: str
    key: PyJWK = field(repr=False)


class BadKeySet(ValueError):
    """What was read is no set of keys."""


def is_fit(url: str) -> bool:
    """Whether keys may be fetched from there: by https, or from this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK)


def bounded(content: bytes) -> bytes:
    """What was read of a set; BadKeySet when that is too much."""
    if len(content) > SIZE:
        raise BadKeySet(f"has more than {SIZE} bytes")
    return content


def key_set(content: bytes, algorithms: frozenset[str]) -> Mapping[str, CheckingKey]:
    """The keys of a JWKS that check by one of the algorithms, by their ids; BadKeySet when it is none."""
    try:
        read = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadKeySet(f"is no JSON: {error}") from None
    listed = read.get("keys") if isinstance(read, dict) else None
    if not isinstance(listed, list) or len(listed) > MOST:
        raise BadKeySet(f"has no list `keys` of at most {MOST}")
    found = [_checking(one) for one in listed if isinstance(one, dict)]
    return {key.id: key for key in found if key is not None and key.algorithm in algorithms}


def public_key(key_id: str, pem: str) -> CheckingKey:
    """The Ed25519 key of a PEM."""
    algorithm = OKPAlgorithm()
    described = algorithm.to_jwk(algorithm.prepare_key(pem), as_dict=True)
    return CheckingKey(key_id, "EdDSA", PyJWK(described, "EdDSA"))


def shared_secret(secret: bytes) -> CheckingKey:
    """The key of an issuer with whom a secret is shared."""
    described = HMACAlgorithm.to_jwk(secret, as_dict=True)
    return CheckingKey("", SECRET_ALGORITHM, PyJWK(described, SECRET_ALGORITHM))


def _checking(described: dict[str, object]) -> CheckingKey | None:
    """A key of the set; None for one that is not for checking, is of no use to us, or is damaged or weak."""
    if described.get("use", "sig") != "sig" or described.get("kty") == "oct":
        return None
    try:
        key = PyJWK(described)
    except PyJWTError:
        return None
    if isinstance(key.key, RSAPublicKey) and key.key.key_size < LEAST_RSA:
        return None
    return CheckingKey(str(described.get("kid", "")), key.algorithm_name, key)
