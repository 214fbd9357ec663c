"""Failures of what was asked, and of who asked."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.model.errors.base import MeshError


class InternalError(MeshError):
    """Something that nobody foresaw; its text stays in the node's log."""

    def __init__(self) -> None:
        super().__init__("internal error; the node's log has the rest")


class InvalidInput(MeshError):
    """A field of the request is wrong."""

    code, reason = "INVALID_ARGUMENT", "INVALID_INPUT"
    faults: Sequence[tuple[str, str]] = ()

    def __init__(self, field: str, problem: str, more: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(f"{field}: {problem}", field=field, problem=problem)
        self.faults = ((field, problem), *more)

    @property
    def violations(self) -> Sequence[tuple[str, str]]:
        """The fields at fault, the first one first."""
        return self.faults or ((self.variables.get("field", ""), self.variables.get("problem", self.message)),)


class PageTokenInvalid(InvalidInput):
    """The page token is not of this list."""

    reason = "PAGE_TOKEN_INVALID"

    def __init__(self) -> None:
        super().__init__("page_token", "is not from this list with these filters; begin again without it")


class PayloadTooLarge(MeshError):
    """A payload is over the limit."""

    code, reason = "RESOURCE_EXHAUSTED", "PAYLOAD_TOO_LARGE"

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the payload has {size} bytes, the limit is {limit}; send less at a time", size=size, limit=limit
        )


class RpcNotServed(MeshError):
    """The node does not serve this method."""

    code, reason = "UNIMPLEMENTED", "RPC_NOT_SERVED"

    def __init__(self, method: str) -> None:
        super().__init__(
            f"this node does not serve {method}; `grpcurl ... list` shows what it serves, and metadata "
            "`a2a-agent: NAME` passes a call on to an agent's own service",
            method=method,
        )


class Unauthenticated(MeshError):
    """The call carries no key, or one that is not valid; `lasting` where no time can mend that."""

    code, reason = "UNAUTHENTICATED", "UNAUTHENTICATED"
    lasting = False

    def __init__(self, problem: str = "no key was sent", *, lasting: bool = False) -> None:
        super().__init__(f"{problem}; send metadata `authorization: Bearer <key>`", problem=problem)
        self.lasting = lasting


class TooManyWrongKeys(MeshError):
    """So many wrong keys came from the caller's address that this one was not looked at."""

    code, reason, retryable = "RESOURCE_EXHAUSTED", "TOO_MANY_WRONG_KEYS", True

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"too many wrong keys came from your address; ask again in {seconds:g} s", seconds=f"{seconds:g}"
        )
        self.retry_after = seconds
