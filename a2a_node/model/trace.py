"""Where a call stands in its trace: the W3C trace context, as it travels from hop to hop."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

# The names of the metadata entries, and of the fields of an attached agent's frame.
TRACEPARENT, TRACESTATE, BAGGAGE = "traceparent", "tracestate", "baggage"
STATE_LENGTH = 512  # characters of a tracestate that are kept; a longer one is dropped whole, as W3C allows
_FORM = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Trace:
    """The span that whoever is next has as its parent, and whether spans of this trace are kept at all."""

    trace_id: int  # 128 bits, never 0
    span_id: int  # 64 bits, never 0
    sampled: bool
    state: str = ""  # the `tracestate`, passed on as it came

    def __str__(self) -> str:
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-{self.sampled:02x}"


def to_trace(traceparent: str, tracestate: str = "") -> Trace | None:
    """What a `traceparent` says; None for one that is absent or malformed, which begins a trace anew."""
    found = _FORM.fullmatch(traceparent) if traceparent else None
    if found is None or found[1] == "ff" or (found[1] == "00" and found[5]):
        return None
    trace_id, span_id = int(found[2], 16), int(found[3], 16)
    if not trace_id or not span_id:
        return None
    state = tracestate if len(tracestate) <= STATE_LENGTH else ""
    return Trace(trace_id, span_id, bool(int(found[4], 16) & _SAMPLED), state)


def received(metadata: Mapping[str, str]) -> Trace | None:
    """Where a call stands by its caller's word, which relates spans to each other and proves nothing."""
    traceparent = metadata.get(TRACEPARENT)
    return to_trace(traceparent, metadata.get(TRACESTATE, "")) if traceparent else None
