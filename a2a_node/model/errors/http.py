"""Failures of requests over HTTP, before anybody looks at what they ask for."""

from __future__ import annotations

from a2a_node.model.errors.base import MeshError


class PathNotFound(MeshError):
    """Nothing is served at the path."""

    code, reason = "NOT_FOUND", "PATH_NOT_FOUND"

    def __init__(self, path: str) -> None:
        super().__init__(f"nothing is served at {path[:200]!r}; see /docs for what there is", path=path[:200])


class MethodNotAllowed(MeshError):
    """The path is served by other methods."""

    code, reason = "UNIMPLEMENTED", "METHOD_NOT_ALLOWED"

    def __init__(self, method: str, allowed: str) -> None:
        super().__init__(f"{method[:20]!r} is not served here; use {allowed}", method=method[:20], allowed=allowed)


class UpgradeRequired(MeshError):
    """The path is a WebSocket."""

    code, reason = "FAILED_PRECONDITION", "UPGRADE_REQUIRED"

    def __init__(self, path: str) -> None:
        super().__init__(f"{path[:200]!r} is a WebSocket; open it as RFC 6455 says, with version 13", path=path[:200])


class RequestMalformed(MeshError):
    """The request is no HTTP that a node reads."""

    code, reason = "INVALID_ARGUMENT", "REQUEST_MALFORMED"

    def __init__(self, problem: str) -> None:
        super().__init__(f"the request cannot be read: {problem}", problem=problem)


class HeadersTooLarge(MeshError):
    """The head of a request is over the limit."""

    code, reason = "RESOURCE_EXHAUSTED", "HEADERS_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the headers have more than {limit} bytes; send less in them", limit=limit)


class BodyTooLarge(MeshError):
    """The body of a request is over the limit."""

    code, reason = "RESOURCE_EXHAUSTED", "BODY_TOO_LARGE"

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body has more than {limit} bytes; send less at a time", limit=limit)


class RequestTooSlow(MeshError):
    """The client has not sent its request in time."""

    code, reason, retryable = "DEADLINE_EXCEEDED", "REQUEST_TOO_SLOW", True

    def __init__(self, part: str) -> None:
        super().__init__(f"the {part} did not come in time; send the request again, without pauses", part=part)


class RequestBlocked(MeshError):
    """A rule of the node's request inspection keeps the request out."""

    code, reason = "PERMISSION_DENIED", "REQUEST_BLOCKED"

    def __init__(self, rule: str, about: str) -> None:
        super().__init__(f"the rule {rule!r} of this node keeps the request out: {about}", rule=rule)


class TooManyRequests(MeshError):
    """An address asks faster than a rule of the node's request inspection lets it."""

    code, reason, retryable = "RESOURCE_EXHAUSTED", "TOO_MANY_REQUESTS", True

    def __init__(self, rule: str, seconds: float) -> None:
        super().__init__(
            f"your address asks more often than the rule {rule!r} of this node lets it; ask again in {seconds:.3g} s",
            rule=rule,
            seconds=f"{seconds:.3g}",
        )
        self.retry_after = seconds


class TooManyConnections(MeshError):
    """The node has as many connections over HTTP as it may, and all of them are busy."""

    code, reason, retryable = "UNAVAILABLE", "TOO_MANY_CONNECTIONS", True

    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} connections are served at a time; try again", limit=limit)
        self.retry_after = 1.0


class OriginRefused(MeshError):
    """A page of another site asks."""

    code, reason = "PERMISSION_DENIED", "ORIGIN_REFUSED"

    def __init__(self, origin: str) -> None:
        super().__init__(
            f"pages of {origin[:80]!r} may not ask this node; http_cors_origins names those that may",
            origin=origin[:80],
        )
