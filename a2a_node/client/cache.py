"""The cache: values that are kept for a while, and messages on topics."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.client.records import moment
from a2a_node.client.values import decoded, encoded
from a2a_node.client.watching import Watch, watched
from a2a_node.wire.agents import duration, seconds
from a2a_node.wire.payloads import from_payload, to_payload
from a2amesh.v1 import cache_service_pb2 as pb

_GET = Rpc("CacheService/GetValue", pb.GetValueRequest, pb.GetValueResponse)
_SET = Rpc("CacheService/SetValue", pb.SetValueRequest, pb.SetValueResponse)
_DELETE = Rpc("CacheService/DeleteValue", pb.DeleteValueRequest, pb.DeleteValueResponse)
_INCREMENT = Rpc("CacheService/IncrementValue", pb.IncrementValueRequest, pb.IncrementValueResponse)
_PUBLISH = Rpc("CacheService/Publish", pb.PublishRequest, pb.PublishResponse)
_SUBSCRIBE = Rpc("CacheService/Subscribe", pb.SubscribeRequest, pb.SubscribeResponse)


@dataclass(frozen=True, slots=True)
class Value:
    """A value that was found, and the seconds that it will still be kept."""

    value: object
    ttl: float


@dataclass(frozen=True, slots=True)
class Started:
    """A subscription stands: nothing that is published after this id is missed."""

    after_id: int


@dataclass(frozen=True, slots=True)
class Published:
    """A message of a topic."""

    id: int
    value: object
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Missed:
    """Messages that were no longer kept when this reader came for them."""

    first_id: int
    last_id: int


class Cache:
    """The values and topics of one namespace; `within` gives another."""

    def __init__(self, connection: Anywhere, namespace: str = "") -> None:
        self._nodes, self._connection = connection.nodes, connection
        self._namespace = namespace

    def within(self, namespace: str) -> Cache:
        """The cache of another namespace."""
        return Cache(self._connection, namespace)

    async def get(self, key: str) -> Value | None:
        """A value; None when there is none, or none any more."""
        request = pb.GetValueRequest(namespace=self._namespace, key=key)
        response = await self._connection.ask(_GET, request, terms())
        return (
            Value(decoded(to_payload(response.value, "value"), "value"), seconds(response.ttl))
            if response.found
            else None
        )

    async def set(self, key: str, value: object, *, ttl: float | None = None, only_if_absent: bool = False) -> bool:
        """Keep a value for `ttl` seconds, an hour when absent; False when one was there and `only_if_absent` is set."""
        request = pb.SetValueRequest(
            namespace=self._namespace,
            key=key,
            value=from_payload(encoded(value, "value")),
            ttl=None if ttl is None else duration(ttl),
            only_if_absent=only_if_absent,
        )
        return (await self._connection.ask(_SET, request, terms())).stored

    async def delete(self, key: str) -> bool:
        """Forget a value; False when there was none."""
        request = pb.DeleteValueRequest(namespace=self._namespace, key=key)
        return (await self._connection.ask(_DELETE, request, terms())).deleted

    async def increment(self, key: str, delta: int = 1, *, ttl: float | None = None) -> int:
        """Add to a whole number and say what it is now; an absent one starts at 0 with that ttl. ValueNotNumber."""
        request = pb.IncrementValueRequest(
            namespace=self._namespace, key=key, delta=delta, ttl=None if ttl is None else duration(ttl)
        )
        return (await self._connection.ask(_INCREMENT, request, terms())).value

    async def publish(self, topic: str, value: object) -> int:
        """Send a message to all who follow the topic; its id."""
        payload = from_payload(encoded(value, "payload"))
        request = pb.PublishRequest(namespace=self._namespace, topic=topic, payload=payload)
        return (await self._connection.ask(_PUBLISH, request, terms())).id

    async def subscribe(self, topic: str, after_id: int | None = None) -> AsyncIterator[Started | Published | Missed]:
        """Follow a topic from the next message on, or from the one after `after_id`; `Started` comes first.

        When its node is lost, the subscription goes on at the next one, without a message lost or told twice.
        """
        request = pb.SubscribeRequest(namespace=self._namespace, topic=topic, after_id=after_id)
        async with aclosing(watched(self._nodes, _WATCH, request)) as events:
            async for message in events:
                yield _event(message)


def _moved(request: pb.SubscribeRequest, told: pb.SubscribeResponse) -> None:
    last = {"gap": told.gap.last_sequence, "message": told.message.id, "started": told.started.after_id}
    request.after_id = last[told.WhichOneof("event") or "started"]


def _again(_: pb.SubscribeRequest, told: pb.SubscribeResponse) -> Iterable[pb.SubscribeResponse]:
    return () if told.HasField("started") else (told,)


_WATCH = Watch(_SUBSCRIBE, _moved, _again)


def _event(message: pb.SubscribeResponse) -> Started | Published | Missed:
    kind = message.WhichOneof("event")
    if kind == "gap":
        return Missed(message.gap.first_sequence, message.gap.last_sequence)
    if kind == "message":
        said = message.message
        return Published(said.id, decoded(to_payload(said.payload, "payload"), "payload"), moment(said.publish_time))
    return Started(message.started.after_id)
