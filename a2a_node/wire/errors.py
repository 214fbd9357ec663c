"""Errors to `google.rpc` details and back: the one place that knows how a failure looks on the wire."""

from __future__ import annotations

from contextlib import suppress

from google.protobuf.message import DecodeError
from google.rpc import code_pb2, error_details_pb2, status_pb2

from a2a_node.model.errors import InternalError, InvalidInput, MeshError, revived
from a2amesh.v1 import agent_service_pb2 as pb

DOMAIN = "a2amesh"
DETAILS_KEY = "grpc-status-details-bin"


def to_details(error: MeshError) -> bytes:
    """The serialised `google.rpc.Status` of an error: ErrorInfo always, BadRequest and RetryInfo where they apply."""
    status = status_pb2.Status(code=code_pb2.Code.Value(error.code), message=error.message)
    status.details.add().Pack(
        error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN, metadata=dict(error.variables))
    )
    if error.violations:
        request = error_details_pb2.BadRequest()
        for field, description in error.violations:
            request.field_violations.add(field=field, description=description)
        status.details.add().Pack(request)
    if error.retryable and error.retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(round(error.retry_after * 1000))
        status.details.add().Pack(retry)
    return bytes(status.SerializeToString())


def from_status(code: str, message: str, details: bytes | None) -> MeshError:
    """The error of a status: `code` by name, and the serialised details where there are any."""
    info, violations, retry_after = error_details_pb2.ErrorInfo(), [], None
    for detail in _parsed(details).details:
        if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
            detail.Unpack(info)
        elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
            request = error_details_pb2.BadRequest()
            detail.Unpack(request)
            violations = [(violation.field, violation.description) for violation in request.field_violations]
        elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
            retry = error_details_pb2.RetryInfo()
            detail.Unpack(retry)
            retry_after = retry.retry_delay.ToMilliseconds() / 1000
    error = revived(code, info.reason or code, message, dict(info.metadata))
    if isinstance(error, InvalidInput):
        error.faults = violations
    if retry_after is not None:
        error.retryable, error.retry_after = True, retry_after
    return error


def to_call_error(error: MeshError) -> pb.CallError:
    """The message of an error inside a stream's frame or a call's record."""
    return pb.CallError(code=error.code, reason=error.reason, message=error.message, metadata=dict(error.variables))


def from_call_error(message: pb.CallError) -> MeshError:
    """The error of a message; a code that gRPC does not know becomes INTERNAL."""
    code = message.code if message.code in code_pb2.Code.keys() and message.code != "OK" else InternalError.code  # noqa: SIM118
    error = revived(code, message.reason or code, message.message, dict(message.metadata))
    with suppress(KeyError, ValueError):  # the message has no other place for it
        error.retry_after = float(error.variables["retry_after"])
        error.retryable = True
    return error


def _parsed(details: bytes | None) -> status_pb2.Status:
    try:
        return status_pb2.Status.FromString(details or b"")
    except DecodeError:
        return status_pb2.Status()
