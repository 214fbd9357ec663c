"""API keys to messages and back."""

from __future__ import annotations

from datetime import UTC

from a2a_node.model.keys import ApiKey
from a2a_node.wire.agents import timestamp
from a2a_node.wire.grants import moment_in
from a2amesh.v1 import access_pb2 as pb


def from_key(key: ApiKey) -> pb.ApiKey:
    """The message of a key, without what is kept of its secret."""
    return pb.ApiKey(
        key_id=key.id,
        name=key.name,
        principal=key.principal,
        permissions=key.permissions,
        created_by=key.created_by,
        create_time=timestamp(key.created_at),
        expire_time=timestamp(key.expires_at),
        last_use_time=timestamp(key.last_used_at),
        revoked=key.revoked,
        revoke_time=timestamp(key.revoked_at),
    )


def to_key(message: pb.ApiKey) -> ApiKey:
    """The key of a message."""
    return ApiKey(
        id=message.key_id,
        principal=message.principal,
        created_by=message.created_by,
        created_at=message.create_time.ToDatetime(UTC),
        name=message.name,
        permissions=tuple(message.permissions),
        expires_at=moment_in(message, "expire_time"),
        last_used_at=moment_in(message, "last_use_time"),
        revoked=message.revoked,
        revoked_at=moment_in(message, "revoke_time"),
    )
