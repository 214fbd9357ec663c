"""Where a call stands in its trace: the W3C trace context, as it travels from hop to hop."""

from __future__ import annotations

import re
from dataclasses import dataclass

TRACEPARENT = "traceparent"  # the name of the metadata entry, and of the field of an attached agent's frame
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """The span that whoever is next has as its parent, and whether spans of this trace are kept at all."""

    trace_id: int  # 128 bits, never 0
    span_id: int  # 64 bits, never 0
    sampled: bool

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.sampled:02x}"


def to_trace(traceparent: str) -> Trace | None:
    """What a `traceparent` says; None for one that is absent or malformed, which begins a trace anew."""
    found = _FORM.fullmatch(traceparent) if traceparent else None
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    return Trace(trace_id, span_id, bool(int(found[4], 16) & _SAMPLED)) if trace_id and span_id else None
