"""Frames on their way out, and works that end together."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Sequence
from contextlib import suppress

import pytest

from a2a_node.wire.outbox import BATCH_BYTES, BATCH_FRAMES, Outbox, first
from a2amesh.v1 import agent_host_service_pb2 as pb
from a2amesh.v1 import payload_pb2


def frame(number: int, size: int = 0) -> pb.AttachResponse:
    """A frame that can be told from others."""
    return pb.AttachResponse(call_id=str(number), input=payload_pb2.Payload(data=b"x" * size))


def packed(frames: Sequence[pb.AttachResponse]) -> pb.AttachResponse:
    """Several frames as one."""
    return pb.AttachResponse(batch=pb.AttachResponseBatch(frames=frames))


class Wire:
    """Takes what is written, while it is open."""

    def __init__(self) -> None:
        self.written: list[pb.AttachResponse] = []
        self.open = asyncio.Event()
        self.open.set()

    async def write(self, message: pb.AttachResponse) -> None:
        """Write one message."""
        await self.open.wait()
        self.written.append(message)

    def numbers(self) -> list[list[int]]:
        """What was written, message by message."""
        return [
            [int(one.call_id) for one in message.batch.frames] if message.HasField("batch") else [int(message.call_id)]
            for message in self.written
        ]


async def test_frames_are_written_in_their_order_and_to_the_last() -> None:
    """Closing an outbox loses none."""
    wire, outbox = Wire(), Outbox[pb.AttachResponse](10)
    for number in range(5):
        await outbox.put(frame(number))
    outbox.close()
    await outbox.run(wire.write)
    assert wire.numbers() == [[0], [1], [2], [3], [4]]


async def test_whoever_puts_waits_for_room_and_whoever_pushes_does_not() -> None:
    """So that a slow reader slows those who write to it."""
    wire, outbox = Wire(), Outbox[pb.AttachResponse](2)
    await outbox.put(frame(0))
    await outbox.put(frame(1))
    third = asyncio.create_task(outbox.put(frame(3)))
    await asyncio.sleep(0)
    outbox.push(frame(2))
    assert (third.done(), len(outbox)) == (False, 3)
    run = asyncio.create_task(outbox.run(wire.write))
    await third
    outbox.close()
    await run
    assert wire.numbers() == [[0], [1], [2], [3]]


async def test_a_closed_outbox_lets_go_of_all_who_wait() -> None:
    """Their frames are not written."""
    wire, outbox = Wire(), Outbox[pb.AttachResponse](1)
    await outbox.put(frame(0))
    waiting = [asyncio.create_task(outbox.put(frame(number))) for number in (1, 2, 3)]
    await asyncio.sleep(0)
    outbox.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*waiting)
    await outbox.run(wire.write)
    assert wire.numbers() == [[0]]


async def test_frames_that_wait_together_go_in_one_message() -> None:
    """As many as one takes, in their order."""
    wire, outbox = Wire(), Outbox[pb.AttachResponse](1000)
    for number in range(BATCH_FRAMES + 2):
        await outbox.put(frame(number))
    outbox.close()
    await outbox.run(wire.write, packed)
    assert wire.numbers() == [[*range(BATCH_FRAMES)], [BATCH_FRAMES, BATCH_FRAMES + 1]]


async def test_few_frames_go_in_a_message_where_the_other_end_shall_begin_soon() -> None:
    """Half of those that wait, where they are many."""
    wire, outbox = Wire(), Outbox[pb.AttachResponse](1000, few=4)
    for number in range(20):
        await outbox.put(frame(number))
    outbox.close()
    await outbox.run(wire.write, packed)
    assert [len(message) for message in wire.numbers()] == [10, 5, 4, 1]


async def test_a_large_frame_goes_by_itself() -> None:
    """A batch never has more bytes than every message may have."""
    wire, outbox = Wire(), Outbox[pb.AttachResponse](1000)
    for number, size in enumerate((10, 10, BATCH_BYTES, 20_000, 10_000, 10_000)):
        await outbox.put(frame(number, size))
    outbox.close()
    await outbox.run(wire.write, packed)
    assert wire.numbers() == [[0, 1], [2], [3, 4], [5]]


class Quick(Wire):
    """Begins to write at once, and is done when a test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.begun: list[asyncio.Future[bool]] = []
        self.broken = False

    def begin(self, message: pb.AttachResponse) -> asyncio.Future[bool] | None:
        """Begin to write one message."""
        if self.broken:
            return None
        self.written.append(message)
        self.begun.append(asyncio.get_running_loop().create_future())
        return self.begun[-1]


async def test_a_frame_that_is_alone_is_begun_at_once_and_those_behind_it_wait() -> None:
    """Whoever puts or pushes it need not wait for a turn of the loop; none overtakes another."""
    wire, outbox = Quick(), Outbox[pb.AttachResponse](10)
    run = asyncio.create_task(outbox.run(wire.write, packed, wire.begin))
    await asyncio.sleep(0)
    outbox.push(frame(0))
    assert (wire.numbers(), len(outbox)) == ([[0]], 1)
    await outbox.put(frame(1))
    outbox.push(frame(2))
    outbox.close()
    await asyncio.sleep(0)
    assert (wire.numbers(), run.done()) == ([[0]], False)
    wire.begun[0].set_result(True)
    await run
    assert wire.numbers() == [[0], [1, 2]]


async def test_the_end_waits_for_what_is_begun() -> None:
    """So that whoever ends the stream then cuts nothing off."""
    wire, outbox = Quick(), Outbox[pb.AttachResponse](10)
    run = asyncio.create_task(outbox.run(wire.write, packed, wire.begin))
    await asyncio.sleep(0)
    await outbox.put(frame(0))
    outbox.close()
    await asyncio.sleep(0)
    assert not run.done()
    wire.begun[0].set_result(True)
    await run


@pytest.mark.parametrize("calls", [(), (1, 2, 3, 4)])
async def test_on_a_busy_or_broken_stream_nothing_is_begun_at_once(calls: Sequence[int]) -> None:
    """There others come along, and here the writer hears of it."""
    wire, outbox = Quick(), Outbox[pb.AttachResponse](10, calls, linger=0.0)
    wire.broken = not calls
    run = asyncio.create_task(outbox.run(wire.write, packed, wire.begin))
    await asyncio.sleep(0)
    outbox.push(frame(0))
    outbox.push(frame(1))
    assert wire.numbers() == []
    outbox.close()
    await run
    assert wire.numbers() == [[0, 1]]


async def test_a_busy_stream_waits_a_moment_for_more() -> None:
    """The second message right after the first has the frames of all who came meanwhile."""
    wire, calls = Wire(), [1, 2, 3, 4]
    outbox: Outbox[pb.AttachResponse] = Outbox(10, calls, linger=0.2)  # longer than three turns take anywhere
    run = asyncio.create_task(outbox.run(wire.write, packed))
    await outbox.put(frame(0))
    for number in (1, 2, 3):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        await outbox.put(frame(number))
    outbox.close()
    await run
    assert wire.numbers() == [[0], [1, 2, 3]]


async def test_the_first_work_to_end_ends_the_others() -> None:
    """And none is left running."""
    ended: list[str] = []

    async def for_ever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("for ever")

    async def short() -> None:
        ended.append("short")

    await first(for_ever(), short())
    assert ended == ["short", "for ever"]


async def test_a_failure_of_the_first_work_is_raised_as_itself() -> None:
    """No group around it."""

    async def fails() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError):
        await first(asyncio.Event().wait(), fails())  # type: ignore[arg-type]  # what it returns is of no interest


async def test_works_end_with_whoever_waits_for_them() -> None:
    """A cancelled `first` leaves nothing behind."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def for_ever() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    task = asyncio.create_task(first(for_ever()))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


class Connection:
    """Something that must not stay open."""


async def test_a_failure_of_the_works_keeps_nothing_alive() -> None:
    """Whoever waited for them may have a connection, which is gone at once, not when the collector comes by."""
    seen: list[weakref.ref[Connection]] = []

    async def fails() -> None:
        raise KeyError("x")

    async def connected() -> None:
        connection = Connection()
        seen.append(weakref.ref(connection))
        await first(fails(), fails())
        raise AssertionError(connection)

    gc.disable()
    try:
        with suppress(KeyError):
            await connected()
        assert seen[0]() is None
    finally:
        gc.enable()


async def test_parts_take_turns_with_frames_and_wait_until_they_are_written() -> None:
    """One part at most goes before a frame that waits; what was given up is not written."""
    wire, outbox = Wire(), Outbox[pb.AttachResponse](10)
    wire.open.clear()
    done = list[int]()

    async def spread(*numbers: int) -> None:
        for number in numbers:
            await outbox.spread(frame(number))
            done.append(number)

    running = asyncio.create_task(outbox.run(wire.write))
    works = [asyncio.create_task(spread(10, 11, 12)), asyncio.create_task(spread(20, 21))]
    given_up = asyncio.create_task(spread(30))
    await asyncio.sleep(0)
    given_up.cancel()
    for number in range(3):
        await outbox.put(frame(number))
    await asyncio.sleep(0)
    assert (done, len(outbox)) == ([], 5)
    wire.open.set()
    await asyncio.gather(*works)
    assert sorted(done) == [10, 11, 12, 20, 21]
    outbox.close()
    await running
    written = [number for (number,) in wire.numbers()]
    assert written[:6] == [0, 10, 1, 20, 2, 11]
    assert sorted(written[6:]) == [12, 21]


async def test_whoever_waits_for_a_part_hears_of_the_end() -> None:
    """Whether it waits, or is being written when the stream breaks."""
    wire, outbox = Wire(), Outbox[pb.AttachResponse](10)
    wire.open.clear()
    running = asyncio.create_task(outbox.run(wire.write))
    parts = [asyncio.create_task(outbox.spread(frame(number))) for number in range(2)]
    for _ in range(3):
        await asyncio.sleep(0)
    running.cancel()
    outbox.drop()
    await asyncio.gather(*parts)
    await outbox.spread(frame(2))
    assert wire.written == []
