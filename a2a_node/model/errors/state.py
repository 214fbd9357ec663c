"""Failures of sessions, cached values and topics."""

from __future__ import annotations

from a2a_node.model.errors.base import MeshError


class SessionNotFound(MeshError):
    """No session of that id exists."""

    code, reason = "NOT_FOUND", "SESSION_NOT_FOUND"

    def __init__(self, session: str) -> None:
        super().__init__(
            f"no session {session!r}; it was never made, was deleted, or has expired: create one", session=session
        )


class SessionExists(MeshError):
    """A session of that id already exists."""

    code, reason = "ALREADY_EXISTS", "SESSION_EXISTS"

    def __init__(self, session: str) -> None:
        super().__init__(f"a session {session!r} already exists; choose another id, or none", session=session)


class VersionConflict(MeshError):
    """Somebody changed it in between."""

    code, reason = "ABORTED", "VERSION_CONFLICT"

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(
            f"version {expected} was expected and {actual} is there; read it again, then repeat the change",
            expected=expected,
            actual=actual,
        )


class ValueNotNumber(MeshError):
    """A cached value is no whole number."""

    code, reason = "FAILED_PRECONDITION", "VALUE_NOT_NUMBER"

    def __init__(self, key: str) -> None:
        super().__init__(f"the value under {key!r} is no whole number of 64 bits; it was left as it is", key=key)


class TooManySubscribers(MeshError):
    """The node serves as many open streams of this kind as it may."""

    code, reason, retryable, retry_after = "RESOURCE_EXHAUSTED", "TOO_MANY_SUBSCRIBERS", True, 5.0

    def __init__(self, kind: str, limit: int) -> None:
        super().__init__(
            f"this node serves {limit} {kind} streams already; ask another node, or later", kind=kind, limit=limit
        )
