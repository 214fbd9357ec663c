"""How a failure looks over HTTP: one shape for all doors.

    {"error": {"code": "NOT_FOUND", "reason": "AGENT_NOT_FOUND", "message": "no agent is registered as 'x'; ...",
               "field_violations": [{"field": "input.text", "description": "is required"}]}}

`code` is gRPC's, `reason` is of `ErrorReason`, `message` says what to do; `field_violations` are there where fields of
the request are at fault, `retry_after` (seconds) where time helps. `status_of` gives the status, by google.rpc's own
table but for what HTTP says more exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from starlette.responses import JSONResponse, Response

from a2a_node.model.errors import MeshError

STATUSES: Mapping[str, int] = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
BY_REASON: Mapping[str, int] = {
    "METHOD_NOT_ALLOWED": 405,
    "REQUEST_TOO_SLOW": 408,
    "UPGRADE_REQUIRED": 426,
    "PAYLOAD_TOO_LARGE": 413,
    "BODY_TOO_LARGE": 413,
    "HEADERS_TOO_LARGE": 431,
}
OWN = 4000  # the close code of a WebSocket for a failure is this and its HTTP status
REALM = 'Bearer realm="a2a-node"'


def status_of(failure: MeshError) -> int:
    """The HTTP status of a failure."""
    return BY_REASON.get(failure.reason) or STATUSES.get(failure.code, 500)


def body_of(failure: MeshError) -> dict[str, object]:
    """The body of the answer, as JSON has it."""
    error: dict[str, object] = {"code": failure.code, "reason": failure.reason, "message": failure.message}
    if failure.retry_after is not None:
        error["retry_after"] = failure.retry_after
    if failure.violations:
        error["field_violations"] = [{"field": field, "description": why} for field, why in failure.violations]
    return {"error": error}


def headers_of(failure: MeshError) -> dict[str, str]:
    """What stands beside it: when to ask again, how to say who asks, which methods there are, or which protocol."""
    headers = dict[str, str]()
    if failure.retry_after is not None:
        headers["retry-after"] = str(ceil(failure.retry_after))
    if failure.code == "UNAUTHENTICATED":
        headers["www-authenticate"] = REALM
    if failure.reason == "UPGRADE_REQUIRED":
        headers |= {"upgrade": "websocket", "connection": "upgrade"}
    if "allowed" in failure.variables and status_of(failure) == BY_REASON["METHOD_NOT_ALLOWED"]:
        headers["allow"] = failure.variables["allowed"]
    return headers


def answer_of(failure: MeshError, headers: Mapping[str, str] | None = None) -> Response:
    """The whole answer; `headers` are those of every answer there."""
    return JSONResponse(body_of(failure), status_of(failure), {**(headers or {}), **headers_of(failure)})
