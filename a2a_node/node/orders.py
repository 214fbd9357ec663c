"""What a node says to its worker, through the pipe between them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import orjson

from a2a_node.tracing import Export

LEAVE = b"leave\n"
APART = b"apart "  # and how many microseconds


def spaced(apart: float) -> bytes:
    """That steps are to begin so many seconds apart."""
    return b"%s%d\n" % (APART, round(apart * 1e6))


def apart_of(line: bytes) -> float | None:
    """The seconds of such a line; None for any other."""
    return int(line.removeprefix(APART)) / 1e6 if line.startswith(APART) else None


@dataclass(frozen=True, slots=True)
class Orders:
    """What a worker is told first; it holds secrets, and no command line, environment or file ever does."""

    postgres_url: str
    redis_url: str
    node_id: str
    executor: str  # the id of this worker's lease, which no process had before
    door: str  # the address of the engine's door
    key: str  # that is shown there
    lease: float  # seconds
    grace: float  # seconds that calls get to end once it is to leave
    max_message: int  # bytes
    json_logs: bool = False
    log_texts: bool = False
    traces: Export = field(default_factory=Export)  # where spans go

    def line(self) -> bytes:
        """As it goes through the pipe."""
        return orjson.dumps(asdict(self)) + b"\n"

    @classmethod
    def of(cls, line: bytes) -> Orders:
        """What was said."""
        said = orjson.loads(line)
        return cls(**{**said, "traces": Export(**said["traces"])})
