"""From a request's path to its endpoint: by the path as it was sent, so that an id may hold anything once quoted."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from urllib.parse import unquote_to_bytes

from starlette.types import Scope

from a2a_node.web.api.resources import Endpoint

Found = tuple[Endpoint, Mapping[str, str]]
PLACE = re.compile(r"\{(\w+)\}")


class Paths:
    """The endpoints, those with fewer places in their paths first: a word goes before any id."""

    def __init__(self, endpoints: Sequence[Endpoint]) -> None:
        ordered = sorted(endpoints, key=lambda endpoint: (endpoint.path.count("{"), ":" not in endpoint.path))
        self._forms = [(_form(endpoint.path), endpoint) for endpoint in ordered]

    def find(self, path: str, method: str) -> Found | Sequence[str]:
        """The endpoint and the texts in the places of its path; else the methods that the path knows, perhaps none."""
        allowed: list[str] = []
        for form, endpoint in self._forms:
            match = form.fullmatch(path)
            places = None if match is None else _unquoted(match.groupdict())
            if places is None:
                continue
            if endpoint.method == method:
                return endpoint, places
            allowed.append(endpoint.method)
        return sorted(set(allowed))


def path_of(scope: Scope) -> str:
    """The path as it was sent, quoted where it was."""
    raw = scope.get("raw_path")
    return bytes(raw).partition(b"?")[0].decode("latin-1") if raw else str(scope["path"])


def _form(path: str) -> re.Pattern[str]:
    """A path as a pattern; the colon before a verb is never part of an id, which has its own quoted."""
    parts = PLACE.split(path)
    return re.compile("".join(f"(?P<{part}>[^/:]+)" if odd % 2 else re.escape(part) for odd, part in enumerate(parts)))


def _unquoted(places: Mapping[str, str]) -> Mapping[str, str] | None:
    try:
        return {place: unquote_to_bytes(text).decode() for place, text in places.items()}
    except UnicodeDecodeError:
        return None
