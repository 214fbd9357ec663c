"""Grants and requests for permissions to messages and back."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from a2a_node.model.grants import Grant, PermissionRequest, RequestStatus
from a2a_node.wire.agents import duration, seconds, timestamp
from a2amesh.v1 import access_pb2 as pb

_STATUSES = {
    status: pb.PermissionRequestStatus.Value(f"PERMISSION_REQUEST_STATUS_{status.name}") for status in RequestStatus
}


def from_grant(grant: Grant) -> pb.PermissionGrant:
    """The message of a grant."""
    return pb.PermissionGrant(
        grant_id=grant.id,
        granted_by=grant.granted_by,
        granted_to=grant.granted_to,
        permission=grant.permission,
        delegable=grant.delegable,
        depth=grant.depth,
        conditions=grant.conditions,
        parent_grant_id=grant.parent,
        use_count=grant.uses,
        grant_time=timestamp(grant.granted_at),
        expire_time=timestamp(grant.expires_at),
        revoked=grant.revoked,
        revoke_time=timestamp(grant.revoked_at),
    )


def to_grant(message: pb.PermissionGrant) -> Grant:
    """The grant of a message."""
    return Grant(
        id=message.grant_id,
        granted_by=message.granted_by,
        granted_to=message.granted_to,
        permission=message.permission,
        granted_at=message.grant_time.ToDatetime(UTC),
        delegable=message.delegable,
        depth=message.depth,
        expires_at=moment_in(message, "expire_time"),
        conditions=tuple(message.conditions),
        parent=message.parent_grant_id,
        uses=message.use_count,
        revoked=message.revoked,
        revoked_at=moment_in(message, "revoke_time"),
    )


def from_request(request: PermissionRequest) -> pb.PermissionRequest:
    """The message of a request for a permission."""
    return pb.PermissionRequest(
        request_id=request.id,
        requester=request.requester,
        permission=request.permission,
        justification=request.justification,
        ttl=None if request.ttl is None else duration(request.ttl),
        status=_STATUSES[request.status],
        decided_by=request.decided_by,
        comment=request.comment,
        grant_id=request.grant,
        create_time=timestamp(request.created_at),
        decide_time=timestamp(request.decided_at),
        expire_time=timestamp(request.expires_at),
    )


def to_request(message: pb.PermissionRequest) -> PermissionRequest:
    """The request of a message."""
    return PermissionRequest(
        id=message.request_id,
        requester=message.requester,
        permission=message.permission,
        justification=message.justification,
        created_at=message.create_time.ToDatetime(UTC),
        expires_at=message.expire_time.ToDatetime(UTC),
        ttl=seconds(message.ttl) if message.HasField("ttl") else None,
        status=to_request_status(message.status) or RequestStatus.PENDING,
        decided_by=message.decided_by,
        decided_at=moment_in(message, "decide_time"),
        comment=message.comment,
        grant=message.grant_id,
    )


def from_request_status(status: RequestStatus | None) -> pb.PermissionRequestStatus.ValueType:
    """The enum value of a status; unspecified for None."""
    return pb.PERMISSION_REQUEST_STATUS_UNSPECIFIED if status is None else _STATUSES[status]


def to_request_status(value: int) -> RequestStatus | None:
    """The status of an enum value; None when it says nothing."""
    return next((status for status, number in _STATUSES.items() if number == value), None)


def moment_in(message: Message, field: str) -> datetime | None:
    """The moment in a field, in UTC; None where it is absent."""
    moment = getattr(message, field)
    return moment.ToDatetime(UTC) if message.HasField(field) and isinstance(moment, Timestamp) else None
