"""CacheService: values that are kept for a while, and messages on topics."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput
from a2a_node.model.state import CachedValue, Gap, Message, Started, TopicEvent
from a2a_node.model.state_ports import Topics, Values
from a2a_node.services.fields import checked_key, checked_span
from a2a_node.wire.agents import duration, timestamp
from a2a_node.wire.payloads import from_payload, to_payload
from a2amesh.v1 import agent_service_pb2
from a2amesh.v1 import cache_service_pb2 as pb

NAMESPACE = re.compile(r"[A-Za-z0-9._-]{1,64}")
KEY_BYTES = 512  # of a key or a topic
VALUE_BYTES = 1 << 20
MESSAGE_BYTES = 256 << 10
DEFAULT_TTL, LEAST_TTL, MOST_TTL = 3600.0, 0.001, 30 * 24 * 3600.0  # seconds


def utc() -> datetime:
    """The time of the machine."""
    return datetime.now(UTC)


class CacheService:
    """Values and topics, kept by a store."""

    descriptor = pb.DESCRIPTOR.services_by_name["CacheService"]

    def __init__(self, values: Values, topics: Topics, clock: Callable[[], datetime] = utc) -> None:
        self._values = values
        self._topics = topics
        self._clock = clock

    async def get_value(self, request: pb.GetValueRequest, _: Call) -> pb.GetValueResponse:
        """Read a value."""
        kept = await self._values.get(*_name(request))
        if kept is None:
            return pb.GetValueResponse()
        return pb.GetValueResponse(found=True, value=from_payload(kept.payload), ttl=duration(kept.ttl))

    async def set_value(self, request: pb.SetValueRequest, _: Call) -> pb.SetValueResponse:
        """Keep a value."""
        name, ttl = _name(request), _ttl(request)
        if not request.HasField("value"):
            raise InvalidInput("value", "is required")
        value = CachedValue(to_payload(request.value, "value", VALUE_BYTES), ttl)
        stored = await self._values.put(*name, value, only_if_absent=request.only_if_absent)
        expires = timestamp(self._clock() + timedelta(seconds=ttl)) if stored else None
        return pb.SetValueResponse(stored=stored, expire_time=expires)

    async def delete_value(self, request: pb.DeleteValueRequest, _: Call) -> pb.DeleteValueResponse:
        """Forget a value."""
        return pb.DeleteValueResponse(deleted=await self._values.delete(*_name(request)))

    async def increment_value(self, request: pb.IncrementValueRequest, _: Call) -> pb.IncrementValueResponse:
        """Count."""
        delta = request.delta if request.HasField("delta") else 1
        counter = await self._values.increment(*_name(request), delta, _ttl(request))
        return pb.IncrementValueResponse(value=counter.value, ttl=duration(counter.ttl))

    async def publish(self, request: pb.PublishRequest, _: Call) -> pb.PublishResponse:
        """Send a message to all who listen to a topic."""
        if not request.HasField("payload"):
            raise InvalidInput("payload", "is required")
        payload = to_payload(request.payload, "payload", MESSAGE_BYTES)
        message = await self._topics.publish(*_topic(request), payload)
        return pb.PublishResponse(id=message.id, publish_time=timestamp(message.published_at))

    async def subscribe(self, request: pb.SubscribeRequest, _: Call) -> AsyncGenerator[pb.SubscribeResponse, None]:
        """Listen to a topic."""
        after = request.after_id if request.HasField("after_id") else None
        if after is not None and after < 0:
            raise InvalidInput("after_id", f"{after} must not be negative")
        async with aclosing(self._topics.subscribe(*_topic(request), after)) as events:
            async for event in events:
                yield _message(event)


def _name(
    request: pb.GetValueRequest | pb.SetValueRequest | pb.DeleteValueRequest | pb.IncrementValueRequest,
) -> tuple[str, str]:
    return _namespace(request.namespace), checked_key("key", request.key, KEY_BYTES)


def _topic(request: pb.PublishRequest | pb.SubscribeRequest) -> tuple[str, str]:
    return _namespace(request.namespace), checked_key("topic", request.topic, KEY_BYTES)


def _namespace(text: str) -> str:
    if text and not NAMESPACE.fullmatch(text):
        form = "must be 1 to 64 letters, digits, '.', '_' or '-'"
        raise InvalidInput("namespace", f"{text[:80]!r} {form}")
    return text or "default"


def _ttl(request: pb.SetValueRequest | pb.IncrementValueRequest) -> float:
    return checked_span("ttl", request.ttl, LEAST_TTL, MOST_TTL) if request.HasField("ttl") else DEFAULT_TTL


def _message(event: TopicEvent) -> pb.SubscribeResponse:
    match event:
        case Started(after):
            return pb.SubscribeResponse(started=pb.SubscribeStarted(after_id=after))
        case Gap(first, last):
            return pb.SubscribeResponse(gap=agent_service_pb2.Gap(first_sequence=first, last_sequence=last))
        case Message(number, payload, published_at):
            message = pb.TopicMessage(id=number, payload=from_payload(payload), publish_time=timestamp(published_at))
            return pb.SubscribeResponse(message=message)
