"""What every failure is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

CODES = frozenset(
    (
        "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED", "OUT_OF_RANGE", "UNIMPLEMENTED",
        "INTERNAL", "UNAVAILABLE", "DATA_LOSS", "UNAUTHENTICATED",
    )
)  # fmt: skip


class MeshError(Exception):
    """A failure with a gRPC code, a reason, a message for people and its variables for programs."""

    code: str = "INTERNAL"
    reason: str = "INTERNAL"
    retryable: bool = False
    retry_after: float | None = None  # seconds; None where the failure does not know
    by_reason: ClassVar[dict[str, type[MeshError]]] = {}

    def __init__(self, message: str, **variables: object) -> None:
        super().__init__(message)
        self.message = message
        self.variables: Mapping[str, str] = {name: str(value) for name, value in variables.items()}

    def __init_subclass__(cls) -> None:
        MeshError.by_reason.setdefault(cls.reason, cls)

    @property
    def violations(self) -> Sequence[tuple[str, str]]:
        """The fields at fault, each with what is wrong with it; empty where the input was not the cause."""
        return ()


def bare(error: MeshError) -> MeshError:
    """The same failure without where it was raised, for whoever keeps it: else the frames of a call live on with it."""
    kind = type(error)
    same = kind.__new__(kind)
    same.args = error.args
    vars(same).update(vars(error))
    return same


def revived(code: str, reason: str, message: str, variables: Mapping[str, str]) -> MeshError:
    """The error that somebody else named, as its own class where the reason is known."""
    kind = MeshError.by_reason.get(reason, MeshError)
    error = kind.__new__(kind)
    MeshError.__init__(error, message, **variables)
    error.code, error.reason = code, reason
    error.retryable = kind.retryable or (code == "UNAVAILABLE" and code != kind.code)  # an agent has chosen it
    return error
