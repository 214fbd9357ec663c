"""Who is calling."""

from __future__ import annotations

import re
from dataclasses import dataclass
from math import inf
from typing import NamedTuple

from a2a_node.model.errors import InvalidInput

KINDS = ("agent", "node", "person")
WRITTEN = re.compile(r"(?P<kind>agent|node|person):(?P<name>[!-~]{1,200})")


class Principal(NamedTuple):
    """An agent, a node or a person, proven by key, token or certificate."""

    kind: str  # "agent", "node", "person" or "nobody"
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


NOBODY = Principal("nobody", "")


def checked_principal(field: str, text: str) -> Principal:
    """The principal that a text such as `person:ada` names; InvalidInput names the field when it names none."""
    if not text:
        raise InvalidInput(field, "is required")
    written = WRITTEN.fullmatch(text)
    if written is None:
        raise InvalidInput(field, f"{text[:80]!r} must look like {', '.join(f'{kind}:NAME' for kind in KINDS)}")
    return Principal(written["kind"], written["name"])


@dataclass(frozen=True, slots=True)
class Proof:
    """What a caller has shown, and how far that reaches."""

    principal: Principal
    scopes: tuple[str, ...] | None = None  # permissions that bound it; None where nothing does
    until: float = inf  # on the monotonic clock of this process, seconds
    key: str = ""  # id of the API key that it is, or was issued under
    token: str = ""  # id (`jti`) of the token that it is
    signer: str = ""  # who signed the token, and with which key
