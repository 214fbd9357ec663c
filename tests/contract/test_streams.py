"""What every store of streams promises."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from a2a_node.model.call import CallStatus
from a2a_node.model.errors import (
    AgentLost,
    CallIdTaken,
    IdempotencyKeyReused,
    NodeLost,
    StoreUnavailable,
    StreamNotFound,
)
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.stream_ports import KEPT, KEPT_BYTES, Streams
from a2a_node.model.streams import FORGOTTEN, Ending, Reading, StreamHead, StreamKey, StreamWrite
from tests.contract.states import House

PATIENCE = 10.0
LEASE = 15  # seconds, as both have it


@pytest.fixture
def streams(state_house: House) -> Streams:
    """No streams at all."""
    return state_house.streams


class Writer:
    """The writer of one stream, who counts its events."""

    def __init__(self, streams: Streams, call_id: str, mark: str) -> None:
        self.streams, self.id, self.mark = streams, call_id, mark
        self.said = 0

    async def say(self, *texts: str | bytes, ending: Ending | None = None) -> Reading | None:
        """Say what follows."""
        payloads = [Payload(text, TEXT) for text in texts]
        first, self.said = self.said + 1, self.said + len(texts)
        return (await self.streams.write([StreamWrite(self.id, self.mark, first, payloads, ending)]))[0]


def head(call_id: str) -> StreamHead:
    """What is kept of a call in the middle of a tree."""
    return StreamHead(call_id, "person:ada", "talker", "talk", ("asker", "talker"), "parent", "root")


async def begun(streams: Streams) -> Writer:
    """A stream that has just begun."""
    call_id = fresh_uuid()
    return Writer(streams, call_id, await streams.begin(head(call_id)))


async def bodies(streams: Streams, call_id: str, after: int = 0) -> Sequence[object]:
    """What a reader finds after a sequence, all of it."""
    found: list[object] = []
    while part := (await streams.read(call_id, after)).events:
        found += [event.payload.body for event in part]
        after = part[-1].sequence
    return found


async def test_what_was_said_is_read_in_order_by_its_sequence(streams: Streams) -> None:
    """From the beginning, and from any place after it."""
    writer = await begun(streams)
    await writer.say("one", "two")
    await writer.say("three")
    part = await streams.read(writer.id, 0)
    assert [(event.sequence, event.payload) for event in part.events] == [
        (1, Payload("one", TEXT)),
        (2, Payload("two", TEXT)),
        (3, Payload("three", TEXT)),
    ]
    assert part.last == 3
    assert await bodies(streams, writer.id, 2) == ["three"]
    assert await bodies(streams, writer.id, 3) == []


async def test_a_call_is_known_by_its_id(streams: Streams) -> None:
    """What is called, on which way, and by whom; it runs, and its lease does."""
    writer = await begun(streams)
    part = await streams.look(writer.id)
    record = part.record
    assert (record.id, record.agent, record.capability) == (writer.id, "talker", "talk")
    assert (record.path, record.parent, record.root) == (("asker", "talker"), "parent", "root")
    assert (record.status, record.error, record.finished_at) == (CallStatus.RUNNING, None, None)
    assert part.principal == "person:ada"
    assert 0 < part.lease <= LEASE


async def test_what_is_said_again_is_kept_once(streams: Streams) -> None:
    """A writer that does not know whether it was heard repeats itself without harm."""
    writer = await begun(streams)
    await writer.say("one", "two")
    writer.said = 0
    await writer.say("one", "two", "three")
    assert await bodies(streams, writer.id) == ["one", "two", "three"]


@pytest.mark.parametrize(
    "ending",
    [
        Ending(CallStatus.SUCCEEDED),
        Ending(CallStatus.FAILED, AgentLost("talker", "i1")),
        Ending(CallStatus.CANCELLED, NodeLost("x")),
    ],
)
async def test_the_end_is_told_with_its_error(streams: Streams, ending: Ending) -> None:
    """And stays readable, with all that was said; saying it twice does no harm."""
    writer = await begun(streams)
    await writer.say("one", ending=ending)
    assert await writer.say(ending=ending) is not None
    part = await streams.read(writer.id, 0)
    assert (part.record.status, part.lease) == (ending.status, 0.0)
    assert repr(part.record.error) == repr(ending.error)
    assert part.record.finished_at is not None
    assert part.record.finished_at >= part.record.created_at
    assert [event.payload.body for event in part.events] == ["one"]


async def test_nothing_is_said_after_the_end(streams: Streams) -> None:
    """Whoever tries has no right any more."""
    writer = await begun(streams)
    await writer.say("one", ending=Ending(CallStatus.SUCCEEDED))
    assert await writer.say("two") is None
    assert await bodies(streams, writer.id) == ["one"]


async def test_an_id_is_taken_once(streams: Streams) -> None:
    """Also when its call has ended."""
    writer = await begun(streams)
    for _ in range(2):
        with pytest.raises(CallIdTaken):
            await streams.begin(head(writer.id))
        await writer.say(ending=Ending(CallStatus.SUCCEEDED))


async def test_nobody_else_writes(streams: Streams) -> None:
    """Neither by another mark, nor in a stream that was never begun."""
    writer, other = await begun(streams), await begun(streams)
    assert await streams.write([StreamWrite(writer.id, other.mark, 1, [Payload("mine", TEXT)])]) == [None]
    assert await streams.write([StreamWrite(fresh_uuid(), other.mark)]) == [FORGOTTEN]
    assert await bodies(streams, writer.id) == []


async def test_several_streams_are_written_in_one_trip(streams: Streams) -> None:
    """Each gets what is its own, and an answer of its own."""
    one, other = await begun(streams), await begun(streams)
    writes = [
        StreamWrite(one.id, one.mark, 1, [Payload("one", TEXT)]),
        StreamWrite(fresh_uuid(), one.mark, 1, [Payload("lost", TEXT)]),
        StreamWrite(other.id, other.mark, 1, [Payload("other", TEXT)]),
    ]
    assert await streams.write(writes) == [Reading(0, present=False), FORGOTTEN, Reading(0, present=False)]
    assert await bodies(streams, one.id) == ["one"]
    assert await bodies(streams, other.id) == ["other"]


async def test_a_writer_learns_how_far_others_have_read(streams: Streams) -> None:
    """The furthest counts, whoever only looks does not, and who left is no longer present after a lease."""
    writer = await begun(streams)
    await writer.say("one", "two", "three")
    await streams.look(writer.id)
    assert await writer.say() == Reading(0, present=False)
    await streams.read(writer.id, 2)
    await streams.read(writer.id, 1)
    assert await writer.say() == Reading(2, present=True)


async def test_a_reader_that_left_is_forgotten(streams: Streams, state_house: House) -> None:
    """After a lease, in which the writer has been heard of."""
    writer = await begun(streams)
    await writer.say("one")
    await streams.read(writer.id, 1)
    await state_house.elapse(LEASE - 1)
    assert await writer.say() == Reading(1, present=True)
    await state_house.elapse(2)
    assert await writer.say() == Reading(1, present=False)


async def test_a_writer_that_was_silent_for_a_lease_is_lost(streams: Streams, state_house: House) -> None:
    """All that it said is there, then NodeLost; and what it says later is refused."""
    writer = await begun(streams)
    await writer.say("one")
    await state_house.elapse(LEASE - 1)
    assert (await streams.look(writer.id)).record.status is CallStatus.RUNNING
    await state_house.elapse(2)
    part = await streams.read(writer.id, 0)
    assert [event.payload.body for event in part.events] == ["one"]
    assert part.record.status is CallStatus.FAILED
    assert isinstance(part.record.error, NodeLost)
    assert await writer.say("two") is None
    assert await bodies(streams, writer.id) == ["one"]


async def test_a_writer_that_is_heard_of_lives(streams: Streams, state_house: House) -> None:
    """However long it has nothing to say."""
    writer = await begun(streams)
    for _ in range(3):
        await state_house.elapse(LEASE - 1)
        assert await writer.say() is not None
    assert (await streams.look(writer.id)).record.status is CallStatus.RUNNING


async def test_a_stream_is_kept_for_an_hour_after_its_end(streams: Streams, state_house: House) -> None:
    """Then it is as if it had never been."""
    writer = await begun(streams)
    await writer.say("one", ending=Ending(CallStatus.SUCCEEDED))
    await state_house.elapse(3598)
    assert await bodies(streams, writer.id) == ["one"]
    await state_house.elapse(3)
    with pytest.raises(StreamNotFound):
        await streams.read(writer.id, 0)
    with pytest.raises(StreamNotFound):
        await streams.look(writer.id)


async def test_the_oldest_events_are_trimmed(streams: Streams) -> None:
    """So many are kept, and so many bytes; the newest one whatever its size."""
    writer = await begun(streams)
    for start in range(0, KEPT + 64, 64):
        await writer.say(*(str(number) for number in range(start, start + 64)))
    part = await streams.read(writer.id, 0)
    assert (part.events[0].sequence, part.last) == (65, KEPT + 64)
    await writer.say(b"x" * (KEPT_BYTES // 2), b"y" * (KEPT_BYTES // 2), b"z" * 10)
    part = await streams.read(writer.id, 0)
    assert [(event.sequence, len(event.payload.body)) for event in part.events] == [
        (KEPT + 66, KEPT_BYTES // 2),
        (KEPT + 67, 10),
    ]
    await writer.say(b"w" * (KEPT_BYTES + 1))
    assert [event.sequence for event in (await streams.read(writer.id, 0)).events] == [KEPT + 68]


async def test_readers_hear_of_news_and_the_writer_of_progress(streams: Streams) -> None:
    """At once, and each of what concerns it."""
    writer = await begun(streams)
    async with asyncio.timeout(PATIENCE), streams.news(writer.id) as news, streams.progress(writer.id) as progress:
        await writer.say("one")
        await news.wait()
        await streams.read(writer.id, 1)
        await progress.wait()
        await writer.say(ending=Ending(CallStatus.SUCCEEDED))
        await news.wait()


async def test_without_the_store_everything_fails_fast(streams: Streams, state_house: House) -> None:
    """Whoever listens is cut off; afterwards all goes on."""
    writer = await begun(streams)
    async with asyncio.timeout(PATIENCE), streams.news(writer.id) as news:
        await state_house.lose()
        for attempt in (
            streams.begin(head(fresh_uuid())), writer.say("one"), streams.read(writer.id, 0), streams.look(writer.id),
            news.wait(),
        ):  # fmt: skip
            with pytest.raises(StoreUnavailable):
                await attempt
    await state_house.recover()
    writer.said = 0
    assert await writer.say("one") is not None
    assert await bodies(streams, writer.id) == ["one"]


def keyed(digest: str = "d", stale: str = "") -> StreamKey:
    """A key."""
    return StreamKey("person:ada:k", digest, 60.0, stale)


async def test_of_many_who_begin_under_a_key_one_does(streams: Streams) -> None:
    """And the others are told which call that is; only its writer writes, and theirs have no stream."""
    ids = [fresh_uuid() for _ in range(6)]
    told = await asyncio.gather(*(streams.begin_once(head(one), f"w-{one}", keyed()) for one in ids))
    (first,) = [one for one, before in zip(ids, told, strict=True) if not before]
    assert {before for before in told if before} == {first}
    assert await Writer(streams, first, f"w-{first}").say("one") is not None
    assert await bodies(streams, first) == ["one"]
    for other in {*ids} - {first}:
        with pytest.raises(StreamNotFound):
            await streams.look(other)


async def test_a_key_stands_for_what_was_asked_first(streams: Streams) -> None:
    """Whoever asks otherwise is refused; a key that is free is not taken for a call that has a stream."""
    first, other = fresh_uuid(), (await begun(streams)).id
    with pytest.raises(CallIdTaken):
        await streams.begin_once(head(other), "w", keyed())
    assert not await streams.begin_once(head(first), "w", keyed())
    for stale in ("", first):
        with pytest.raises(IdempotencyKeyReused):
            await streams.begin_once(head(fresh_uuid()), "w", keyed("e", stale))
    assert await streams.begin_once(head(other), "w", keyed()) == first


async def test_of_many_who_find_a_call_stale_one_begins_in_its_place(streams: Streams) -> None:
    """The others are told of that one."""
    first = fresh_uuid()
    assert not await streams.begin_once(head(first), "w", keyed())
    ids = [fresh_uuid() for _ in range(6)]
    told = await asyncio.gather(*(streams.begin_once(head(one), "w", keyed(stale=first)) for one in ids))
    (second,) = [one for one, before in zip(ids, told, strict=True) if not before]
    assert {before for before in told if before} == {second}
    assert await streams.begin_once(head(fresh_uuid()), "w", keyed()) == second


async def test_without_the_store_nothing_begins_under_a_key(streams: Streams, state_house: House) -> None:
    """It is free afterwards."""
    await state_house.lose()
    with pytest.raises(StoreUnavailable):
        await streams.begin_once(head(fresh_uuid()), "w", keyed())
    await state_house.recover()
    assert not await streams.begin_once(head(fresh_uuid()), "w", keyed())
