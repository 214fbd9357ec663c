"""Names of tools as names of capabilities: the same where they have the form, each only once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from a2a_node.model.names import NAME

LONGEST = 63
_OTHER = re.compile(r"[^a-z0-9_.-]+")


def capability_names(tools: Iterable[str]) -> Mapping[str, str]:
    """The capability of each tool. One whose name has the form keeps it; another is changed, and numbered when taken.

    It depends on nothing but the names, so that a server that lists its tools in another order changes none.
    """
    names = sorted(set(tools))
    given = {name: name for name in names if NAME.fullmatch(name)}
    taken = set(given)
    for name in names:
        if name not in given:
            given[name] = free(_formed(name), taken)
    return given


def free(wanted: str, taken: set[str]) -> str:
    """A name, numbered when it is taken; it is taken from then on."""
    number, found = 1, wanted
    while found in taken:
        number += 1
        found = f"{wanted[: LONGEST - len(str(number)) - 1]}-{number}"
    taken.add(found)
    return found


def _formed(name: str) -> str:
    formed = _OTHER.sub("-", name.lower()).strip("-.")[:LONGEST]
    return formed if NAME.fullmatch(formed) else f"tool-{formed}"[:LONGEST].rstrip("-")
