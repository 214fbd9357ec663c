"""Words of a server for people, without what is secret."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable

from a2a_node.model.tools import LINE, Http, ServerValue, Stdio

SHORTEST = 4  # characters of a value that is masked: a shorter one stands in every other word
MASK = "***"
SCHEMES = ("bearer", "basic", "token")  # of an authorization header, whose token is as secret without it
_UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")  # control characters, which a terminal would obey


def values_of(transport: Stdio | Http) -> Iterable[ServerValue]:
    """All that may be secret of how a server is run."""
    return transport.environment.values() if isinstance(transport, Stdio) else transport.headers.values()


def masking(values: Iterable[ServerValue]) -> Callable[[str], str]:
    """Takes the values out of a text, as they are and as JSON writes them, and cuts it at LINE characters."""
    hidden = {form for each in values for form in _forms(each.value) if len(form) >= SHORTEST}
    secrets = re.compile("|".join(map(re.escape, sorted(hidden, key=len, reverse=True)))) if hidden else None

    def masked(text: str) -> str:
        shown = text if secrets is None else secrets.sub(MASK, text)
        return _UNSHOWN.sub(" ", shown)[:LINE].rstrip()

    return masked


def _forms(value: str) -> tuple[str, ...]:
    scheme, _, token = value.partition(" ")
    alone = (token,) if scheme.lower() in SCHEMES else ()
    return (value, *alone, json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], *value.splitlines())
