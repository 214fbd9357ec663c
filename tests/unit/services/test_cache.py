"""CacheService: what a client sends is converted, done and answered, and what is wrong is named by its field."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from contextlib import aclosing

import pytest
from google.protobuf.json_format import MessageToDict, ParseDict

from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, PayloadTooLarge, ValueNotNumber
from a2a_node.services.cache import CacheService
from a2a_node.testing import Clock, MemoryTopics, MemoryValues
from a2amesh.v1 import cache_service_pb2 as pb
from a2amesh.v1 import payload_pb2

DAY = 24 * 3600
WRONG_KEYS: list[tuple[str, Mapping[str, object]]] = [
    ("key", {}),
    ("key", {"key": "ü" * 257}),
    ("namespace", {"key": "k", "namespace": "a/b"}),
    ("namespace", {"key": "k", "namespace": "x" * 65}),
]
WRONG_TTLS: list[tuple[str, Mapping[str, object]]] = [
    ("ttl", {"key": "k", "ttl": ttl}) for ttl in ("0s", "0.0001s", "-1s", f"{30 * DAY + 1}s")
]


async def done(_: Call) -> None:
    """Nothing more to do."""


CALL = Call(method="/m", rest=done)


@pytest.fixture
def service() -> CacheService:
    """A service with nothing in it."""
    clock = Clock()
    return CacheService(MemoryValues(clock), MemoryTopics(clock), clock)


async def put(service: CacheService, **fields: object) -> pb.SetValueResponse:
    """Keep a value."""
    return await service.set_value(ParseDict(fields, pb.SetValueRequest()), CALL)


async def increment(service: CacheService, **fields: object) -> pb.IncrementValueResponse:
    """Count."""
    return await service.increment_value(ParseDict(fields, pb.IncrementValueRequest()), CALL)


async def publish(service: CacheService, text: str, **fields: object) -> pb.PublishResponse:
    """Send a text on the topic t."""
    request = ParseDict({"topic": "t", "payload": {"text": text}, **fields}, pb.PublishRequest())
    return await service.publish(request, CALL)


async def test_a_value_is_kept_for_an_hour(service: CacheService) -> None:
    """Where nothing else is said, in the namespace "default"."""
    stored = await put(service, key="k", value={"struct": {"a": 1}})
    assert MessageToDict(stored) == {"stored": True, "expireTime": "2030-01-01T01:00:00Z"}
    read = await service.get_value(pb.GetValueRequest(namespace="default", key="k"), CALL)
    assert MessageToDict(read) == {"found": True, "value": {"struct": {"a": 1.0}}, "ttl": "3600s"}


async def test_an_absent_value_is_no_error(service: CacheService) -> None:
    """All of the answer is left out."""
    assert await service.get_value(pb.GetValueRequest(key="k"), CALL) == pb.GetValueResponse()
    assert not (await service.delete_value(pb.DeleteValueRequest(key="k"), CALL)).deleted


async def test_only_if_absent_says_whether_it_stored(service: CacheService) -> None:
    """No time is told where nothing was stored."""
    assert (await put(service, key="k", value={"text": "a"}, onlyIfAbsent=True)).stored
    again = await put(service, key="k", value={"text": "b"}, onlyIfAbsent=True)
    assert again == pb.SetValueResponse()
    assert (await service.delete_value(pb.DeleteValueRequest(key="k"), CALL)).deleted


async def test_a_counter_moves_by_one_or_by_delta(service: CacheService) -> None:
    """A delta of zero is one, too; read as a value it is a text."""
    assert (await increment(service, key="k")).value == 1
    assert (await increment(service, key="k", delta="-3")).value == -2
    last = await increment(service, key="k", delta="0", ttl="5s")
    assert (last.value, last.ttl.seconds) == (-2, 3600)
    read = await service.get_value(pb.GetValueRequest(key="k"), CALL)
    assert read.value == payload_pb2.Payload(text="-2")


async def test_what_is_no_number_is_not_counted(service: CacheService) -> None:
    """The error names the key."""
    await put(service, key="k", value={"text": "tea"})
    with pytest.raises(ValueNotNumber, match="'k'"):
        await increment(service, key="k")


@pytest.mark.parametrize(("field", "fields"), WRONG_KEYS)
async def test_a_wrong_key_is_named(service: CacheService, field: str, fields: Mapping[str, object]) -> None:
    """By every RPC that takes one."""
    attempts: Sequence[Awaitable[object]] = (
        service.get_value(ParseDict(dict(fields), pb.GetValueRequest()), CALL),
        put(service, value={"text": "a"}, **fields),
        service.delete_value(ParseDict(dict(fields), pb.DeleteValueRequest()), CALL),
        increment(service, **fields),
    )
    for attempt in attempts:
        with pytest.raises(InvalidInput) as failure:
            await attempt
        assert failure.value.violations[0][0] == field


@pytest.mark.parametrize(("field", "fields"), WRONG_TTLS)
async def test_a_wrong_ttl_is_named(service: CacheService, field: str, fields: Mapping[str, object]) -> None:
    """From a millisecond to thirty days it is right."""
    for attempt in (put(service, value={"text": "a"}, **fields), increment(service, **fields)):
        with pytest.raises(InvalidInput) as failure:
            await attempt
        assert failure.value.violations[0][0] == field
    assert (await put(service, key="k", value={"text": "a"}, ttl="0.001s")).stored


async def test_a_value_is_required_and_bounded(service: CacheService) -> None:
    """A value of one mebibyte is kept, and one of a byte more is refused with both sizes."""
    with pytest.raises(InvalidInput, match="value"):
        await put(service, key="k")
    request = pb.SetValueRequest(key="k", value=payload_pb2.Payload(data=bytes(1 << 20)))
    assert (await service.set_value(request, CALL)).stored
    request.value.data += b"x"
    with pytest.raises(PayloadTooLarge, match="1048577 bytes, the limit is 1048576"):
        await service.set_value(request, CALL)


async def test_a_message_is_required_and_bounded(service: CacheService) -> None:
    """As a value is, at 256 KiB."""
    with pytest.raises(InvalidInput, match="payload"):
        await service.publish(pb.PublishRequest(topic="t"), CALL)
    request = pb.PublishRequest(topic="t", payload=payload_pb2.Payload(data=bytes((256 << 10) + 1)))
    with pytest.raises(PayloadTooLarge):
        await service.publish(request, CALL)


async def test_a_subscriber_hears_where_it_is_then_every_message(service: CacheService) -> None:
    """In the form of the contract, in the namespace that was asked for."""
    await publish(service, "elsewhere", namespace="n")
    sent = await publish(service, "a")
    assert (sent.id, sent.publish_time.seconds) == (1, int(Clock()().timestamp()))
    async with aclosing(service.subscribe(pb.SubscribeRequest(topic="t", after_id=0), CALL)) as events:
        assert await anext(events) == pb.SubscribeResponse(started=pb.SubscribeStarted(after_id=0))
        message = (await anext(events)).message
        assert (message.id, message.payload.text, message.publish_time) == (1, "a", sent.publish_time)


async def test_a_subscriber_without_an_id_hears_what_follows(service: CacheService) -> None:
    """The answer says after which id that is."""
    await publish(service, "a")
    async with aclosing(service.subscribe(pb.SubscribeRequest(topic="t"), CALL)) as events:
        assert (await anext(events)).started.after_id == 1
        await publish(service, "b")
        assert (await anext(events)).message.payload.text == "b"


async def test_a_subscriber_hears_of_a_gap(service: CacheService) -> None:
    """With the first and the last id that are missing."""
    for number in range(1003):
        await publish(service, str(number))
    async with aclosing(service.subscribe(pb.SubscribeRequest(topic="t", after_id=1), CALL)) as events:
        await anext(events)
        assert MessageToDict(await anext(events)) == {"gap": {"firstSequence": "2", "lastSequence": "3"}}
        assert (await anext(events)).message.id == 4


@pytest.mark.parametrize(
    ("field", "fields"),
    [("topic", {}), ("topic", {"topic": "x" * 513}), ("namespace", {"topic": "t", "namespace": "ü"})],
)
async def test_a_wrong_topic_is_named(service: CacheService, field: str, fields: Mapping[str, object]) -> None:
    """By publishers and subscribers."""
    request = ParseDict(dict(fields), pb.PublishRequest(payload=payload_pb2.Payload(text="a")))
    with pytest.raises(InvalidInput) as failure:
        await service.publish(request, CALL)
    assert failure.value.violations[0][0] == field
    with pytest.raises(InvalidInput) as failure:
        await anext(service.subscribe(ParseDict(dict(fields), pb.SubscribeRequest()), CALL))
    assert failure.value.violations[0][0] == field


async def test_a_negative_id_is_refused(service: CacheService) -> None:
    """Ids begin at 1, and 0 is before them."""
    with pytest.raises(InvalidInput, match="after_id"):
        await anext(service.subscribe(pb.SubscribeRequest(topic="t", after_id=-1), CALL))
