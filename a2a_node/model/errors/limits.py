"""Failures of those who ask too fast."""

from __future__ import annotations

from math import ceil

from a2a_node.model.errors.base import MeshError


class RateLimited(MeshError):
    """The caller's bucket has too few tokens; `retry_after` is when it can have enough, None for never."""

    code, reason = "RESOURCE_EXHAUSTED", "RATE_LIMITED"

    def __init__(self, caller: str, called: str, limit: str, wait: float | None, why: str = "") -> None:
        self.retryable = wait is not None
        self.retry_after = None if wait is None else ceil(wait * 1000) / 1000
        hint = "one call costs more than a bucket ever holds" if wait is None else f"retry in {self.retry_after:g} s"
        super().__init__(
            f"{caller} asks {called} faster than its limit of {limit}: {why or hint}",
            principal=caller,
            called=called,
            limit=limit,
            **({} if wait is None else {"retry_after": f"{self.retry_after:g}"}),
        )
