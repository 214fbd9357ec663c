"""What became of a span's work, in gRPC's codes and our reasons; not in an error's words, which may hold secrets."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from opentelemetry.trace import Span, SpanKind, StatusCode

from a2a_node.model.errors import CallCancelled, InternalError, MeshError

OK, CANCELLED = "OK", "CANCELLED"
# In the order of gRPC's numbers.
CODES = (
    *(OK, CANCELLED, "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS"),
    *("PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED"),
    *("INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED"),
)
NUMBERS = {code: number for number, code in enumerate(CODES)}
# Of a server's span the others are its caller's fault, by OpenTelemetry's conventions for RPCs.
OWN_FAULTS = frozenset(("UNKNOWN", "DEADLINE_EXCEEDED", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS"))
STATUS, REASON = "rpc.grpc.status_code", "a2a.reason"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How something ended: gRPC's code, and the contract's reason where it failed."""

    code: str = OK
    reason: str = ""

    def is_fault(self, kind: SpanKind) -> bool:
        """Whether a span of that kind counts as failed."""
        return self.code in OWN_FAULTS if kind is SpanKind.SERVER else self.code not in (OK, CANCELLED)

    def attributes(self) -> dict[str, str | int]:
        """What a span says of it."""
        number = NUMBERS.get(self.code, NUMBERS["UNKNOWN"])
        return {STATUS: number, REASON: self.reason} if self.reason else {STATUS: number}


SUCCESS = Outcome()


def outcome_of(error: BaseException | None) -> Outcome:
    """How something ended that raised this, or nothing."""
    if error is None:
        return SUCCESS
    if isinstance(error, MeshError):
        return Outcome(error.code, error.reason)
    if isinstance(error, (asyncio.CancelledError, GeneratorExit)):
        return Outcome(CANCELLED, CallCancelled.reason)
    return Outcome(InternalError.code, InternalError.reason)


def settle(span: Span, kind: SpanKind, outcome: Outcome) -> None:
    """Have a span of the SDK's say how its work ended."""
    span.set_attributes(outcome.attributes())
    if outcome.is_fault(kind):
        span.set_status(StatusCode.ERROR, outcome.reason)
