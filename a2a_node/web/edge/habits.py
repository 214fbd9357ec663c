"""What clients over HTTP may do, and what is counted of those who do more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

HEAD_SLOW, BODY_SLOW, READER_SLOW = "head_slow", "body_slow", "reader_slow"
CROWDED, GAVE_WAY, MALFORMED = "crowded", "gave_way", "malformed"
HEADERS_TOO_LARGE, BODY_TOO_LARGE, BLOCKED = "headers_too_large", "body_too_large", "blocked"
WHYS = (
    *(HEAD_SLOW, BODY_SLOW, READER_SLOW),
    *(CROWDED, GAVE_WAY, MALFORMED),
    *(HEADERS_TOO_LARGE, BODY_TOO_LARGE, BLOCKED),
)


@dataclass(frozen=True, slots=True)
class Habits:
    """Sizes are in bytes, spans in seconds."""

    connections: int = 1000  # at a time, WebSockets among them
    head: float = 10.0  # for the head of a request, however much of it comes
    stall: float = 30.0  # that a body, or a client that reads, may stand still
    keep_alive: int = 15  # between requests on one connection
    head_bytes: int = 64 * 1024
    body_bytes: int = (16 << 20) + 64 * 1024


@dataclass(slots=True)
class Counts:
    """How often somebody was turned away, by why, and by the rule that blocked."""

    refused: dict[str, int] = field(default_factory=lambda: dict.fromkeys(WHYS, 0))
    blocked: dict[str, int] = field(default_factory=dict)
    open: int = 0  # connections, as of the last look

    def turned_away(self, why: str) -> None:
        """One more."""
        self.refused[why] += 1

    def by_rule(self) -> Mapping[str, float]:
        """What each rule has blocked."""
        return dict(self.blocked)
