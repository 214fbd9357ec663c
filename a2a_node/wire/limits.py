"""Limits to messages and back."""

from __future__ import annotations

from datetime import UTC

from a2a_node.model.limits import Limit, LimitKey, LimitSource, Rate
from a2a_node.wire.agents import timestamp
from a2amesh.v1 import limit_service_pb2 as pb

_SOURCES = {
    LimitSource.DEFAULT: pb.LIMIT_SOURCE_DEFAULT,
    LimitSource.CAPABILITY: pb.LIMIT_SOURCE_CAPABILITY,
    LimitSource.SET: pb.LIMIT_SOURCE_SET,
}
_BY_MESSAGE = {message: source for source, message in _SOURCES.items()}


def to_key(message: pb.LimitKey) -> LimitKey:
    """The key of a message."""
    return LimitKey(message.principal, message.agent, message.capability)


def from_key(key: LimitKey) -> pb.LimitKey:
    """The message of a key."""
    return pb.LimitKey(principal=key.principal, agent=key.agent, capability=key.capability)


def to_limit(message: pb.RateLimit) -> Limit:
    """The limit of a message."""
    return Limit(
        to_key(message.key),
        Rate(message.rate, message.burst),
        _BY_MESSAGE.get(message.source, LimitSource.SET),
        message.updated_by,
        message.update_time.ToDatetime(UTC) if message.HasField("update_time") else None,
    )


def from_limit(limit: Limit) -> pb.RateLimit:
    """The message of a limit."""
    return pb.RateLimit(
        key=from_key(limit.key),
        rate=limit.rate.rate,
        burst=limit.rate.burst,
        source=_SOURCES[limit.source],
        updated_by=limit.updated_by,
        update_time=timestamp(limit.updated_at),
    )
