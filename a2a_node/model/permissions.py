"""Permissions: `resource:action` strings, and which of them cover which. All of it pure functions of text.

A permission has two to eight segments between colons, at most one of which is `*`. A `*` stands for exactly one
segment: `agent:*:invoke` covers `agent:echo:invoke`, and neither `agent:invoke` nor `agent:a:b:invoke`.
"""

from __future__ import annotations

import re

from a2a_node.model.errors import InvalidInput

LENGTH = 255  # characters
LEAST_SEGMENTS, MOST_SEGMENTS = 2, 8
ANY = "*"
SEGMENT = re.compile(r"\*|[A-Za-z0-9_][A-Za-z0-9_.-]*")
FORM = "must look like agent:echo:invoke, registry:read or agent:*:invoke"


def checked_permission(field: str, text: str, *, exact: bool = False) -> str:
    """The permission itself; InvalidInput names the field when its form is wrong, or when `exact` and it has a `*`."""
    if not text:
        raise InvalidInput(field, "is required")
    if len(text) > LENGTH:
        raise InvalidInput(field, f"has {len(text)} characters, the limit is {LENGTH}")
    segments = text.split(":")
    if not LEAST_SEGMENTS <= len(segments) <= MOST_SEGMENTS or not all(map(SEGMENT.fullmatch, segments)):
        raise InvalidInput(field, f"{text[:80]!r} {FORM}")
    if (wild := segments.count(ANY)) > (0 if exact else 1):
        allowed = "no segment may" if exact else "at most one segment may"
        raise InvalidInput(field, f"{text[:80]!r} has {wild} segments that are '*'; {allowed} be")
    return text


def covers(held: str, wanted: str) -> bool:
    """Whether whoever may do `held` may do `wanted`, or may hand it on: every segment is the same, or held as `*`."""
    if held == wanted:
        return True
    ours, theirs = held.split(":"), wanted.split(":")
    return len(ours) == len(theirs) and all(mine in (ANY, other) for mine, other in zip(ours, theirs, strict=True))


def covering(wanted: str) -> tuple[str, ...]:
    """Every permission that covers this one, itself first, so that grants can be looked up and need not be searched."""
    segments = wanted.split(":")
    if ANY in segments:  # a second `*` is nobody's
        return (wanted,)
    wider = (":".join((*segments[:place], ANY, *segments[place + 1 :])) for place in range(len(segments)))
    return (wanted, *wider)


def resource(permission: str) -> str:
    """Its first segment: the kind of thing that it is about."""
    return permission.partition(":")[0]
