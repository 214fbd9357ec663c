"""The file of trusted issuers: TOML, one `[[issuer]]` for each, read when the node starts."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from a2a_node.access.issuers import Issuer, checked_algorithms
from a2a_node.access.jwks import is_fit
from a2a_node.access.mint import MESH
from a2a_node.model.errors import SettingInvalid
from a2a_node.model.principal import KINDS

LEAST_SECRET = 32  # bytes


class Entry(BaseModel):
    """One issuer as it is written down."""

    model_config = ConfigDict(extra="forbid")

    issuer: str = Field(min_length=1)
    audience: str | list[str]
    jwks: str = ""  # a file beside this one, or a URL
    secret_file: str = ""  # for HS256
    algorithms: list[str] = []
    claim: str = "sub"
    kind: str = ""
    kinds: list[str] = ["person", "agent"]
    scopes: list[str] = ["permissions", "scope"]


class File(BaseModel):
    """The file."""

    model_config = ConfigDict(extra="forbid")

    issuer: list[Entry]


def trusted(file: Path | None) -> Sequence[Issuer]:
    """The issuers of a file, none without one; SettingInvalid says what is wrong with it."""
    if file is None:
        return ()
    try:
        entries = File.model_validate(tomllib.loads(file.read_text(encoding="utf-8"))).issuer
        issuers = [_issuer(entry, file.parent) for entry in entries]
        _check_names([issuer.name for issuer in issuers])
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise SettingInvalid("issuers", f"{file}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    except (OSError, ValueError) as error:
        raise SettingInvalid("issuers", f"{file}: {error}") from None
    return issuers


def _issuer(entry: Entry, folder: Path) -> Issuer:
    audience = (entry.audience,) if isinstance(entry.audience, str) else tuple(entry.audience)
    if not audience or not all(audience):
        raise ValueError(f"{entry.issuer}: an audience is needed")
    if bool(entry.jwks) == bool(entry.secret_file):
        raise ValueError(f"{entry.issuer}: either jwks or secret_file is needed")
    if unknown := {entry.kind or "person", *entry.kinds} - {*KINDS}:
        raise ValueError(f"{entry.issuer}: {min(unknown)!r} is none of: {', '.join(KINDS)}")
    return Issuer(
        name=entry.issuer,
        audience=audience,
        jwks=_place(entry.jwks, folder),
        secret=_secret(folder / entry.secret_file) if entry.secret_file else b"",
        algorithms=checked_algorithms(entry.algorithms, secret=bool(entry.secret_file)),
        claim=entry.claim,
        kind=entry.kind,
        kinds=tuple(entry.kinds),
        scopes=tuple(entry.scopes),
    )


def _place(jwks: str, folder: Path) -> str:
    if "://" not in jwks:
        return str(folder / jwks) if jwks else ""
    if not is_fit(jwks):
        raise ValueError(f"{jwks} must be https, or http on loopback")
    return jwks


def _secret(file: Path) -> bytes:
    secret = file.read_bytes().strip()
    if len(secret) < LEAST_SECRET:
        raise ValueError(f"{file} must have at least {LEAST_SECRET} bytes")
    return secret


def _check_names(names: Sequence[str]) -> None:
    if MESH in names:
        raise ValueError(f"{MESH!r} is the mesh itself")
    if len(set(names)) < len(names):
        raise ValueError("an issuer stands there twice")
