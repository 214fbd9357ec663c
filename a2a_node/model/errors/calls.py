"""Failures of calls on their way."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.model.errors.base import MeshError


class DeadlineExceeded(MeshError):
    """The call's time is over."""

    code, reason = "DEADLINE_EXCEEDED", "DEADLINE_EXCEEDED"

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"the call did not end within its {seconds:.3f} s; ask with a longer deadline", seconds=f"{seconds:.3f}"
        )


class CallCancelled(MeshError):
    """Somebody cancelled the call."""

    code, reason = "CANCELLED", "CALL_CANCELLED"

    def __init__(self, call: str, why: str) -> None:
        super().__init__(f"the call was cancelled: {why or 'no reason was given'}", call=call, why=why)


class TooManyHops(MeshError):
    """The call passed through too many agents."""

    code, reason = "FAILED_PRECONDITION", "TOO_MANY_HOPS"

    def __init__(self, path: Sequence[str], limit: int) -> None:
        way = " > ".join(path)
        super().__init__(
            f"the call would make {len(path)} hops, the limit is {limit}: {way}; see `max_hops`", path=way, limit=limit
        )


class CallLoop(MeshError):
    """An agent would appear again on the call's own path, now or as agents have declared whom they call."""

    code, reason = "FAILED_PRECONDITION", "CALL_LOOP"

    def __init__(self, agent: str, path: Sequence[str], *, declared: bool = False) -> None:
        way = " > ".join(path)
        how = "would be met again, as agents declare whom they call" if declared else "is already on this call's path"
        super().__init__(f"agent {agent!r} {how}: {way}; see `max_revisits`", agent=agent, path=way)


class CallTokenInvalid(MeshError):
    """The call token is forged, damaged or of a call that has ended."""

    code, reason = "UNAUTHENTICATED", "CALL_TOKEN_INVALID"

    def __init__(self) -> None:
        super().__init__(
            "the call token is not of a call that runs; send back the token given with the call, while it runs"
        )


class CallNotFound(MeshError):
    """No call of that id runs or is remembered."""

    code, reason = "NOT_FOUND", "CALL_NOT_FOUND"

    def __init__(self, call: str) -> None:
        super().__init__(f"no call {call!r} runs or is remembered here", call=call)


class CallIdTaken(MeshError):
    """A call of that id already exists."""

    code, reason = "ALREADY_EXISTS", "CALL_ID_TAKEN"

    def __init__(self, call: str) -> None:
        super().__init__(f"a call {call!r} already exists; choose a fresh UUID, or none", call=call)


class IdempotencyKeyReused(MeshError):
    """The idempotency key was used before with a different request."""

    code, reason = "FAILED_PRECONDITION", "IDEMPOTENCY_KEY_REUSED"

    def __init__(self, key: str) -> None:
        super().__init__(f"idempotency key {key!r} was used with a different request; choose a fresh one", key=key)


class BudgetExhausted(MeshError):
    """The call tree has used its budget, or has less left than the call would reserve."""

    code, reason = "RESOURCE_EXHAUSTED", "BUDGET_EXHAUSTED"

    def __init__(self, unit: str, limit: int, used: int) -> None:
        super().__init__(
            f"the tree of this call has used or reserved {used} of its {limit} {unit}; begin with a larger budget",
            unit=unit,
            limit=limit,
            used=used,
        )


class StreamGap(MeshError):
    """Outputs were trimmed before their reader came back for them; made by clients."""

    code, reason = "DATA_LOSS", "STREAM_GAP"

    def __init__(self, call: str, first: int, last: int) -> None:
        super().__init__(
            f"outputs {first} to {last} of call {call!r} are no longer kept; begin the call again if they are needed",
            call=call,
            first=first,
            last=last,
        )


class StreamNotFound(MeshError):
    """No resumable stream of that call is kept."""

    code, reason = "NOT_FOUND", "STREAM_NOT_FOUND"

    def __init__(self, call: str) -> None:
        super().__init__(
            f"no events of call {call!r} are kept, or they are another principal's; begin the call again", call=call
        )


class EnvelopeInvalid(MeshError):
    """The sealed envelope of a call between nodes is not what a node would send."""

    code, reason = "UNAUTHENTICATED", "ENVELOPE_INVALID"

    def __init__(self, problem: str, what: str, issuer: str = "") -> None:
        """`problem` is the contract's word, `what` says it to people, `issuer` is known once the seal is good."""
        super().__init__(f"the envelope of this call is refused: {what}", problem=problem, issuer=issuer)
