"""One resumable stream at the node that writes it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator, Sequence
from weakref import ref

import pytest

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.stream import Stream
from a2a_node.mesh.writers import Writers
from a2a_node.model.call import Call
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.streams import Claim, Reading, StreamWrite
from a2a_node.testing import MemoryStreams
from tests.unit.mesh.stream_house import settled


async def test_a_stream_that_is_left_to_an_heir_while_it_is_written_is_over() -> None:
    """What came of that trip means nothing here any more; whoever goes on asks the store."""
    stream = Stream("the-call", "the-writer", MemoryStreams(), lambda _: None)
    stream.keeping.begin("the-heir", lambda _: None, lambda: None)
    await stream.say(Payload("one", TEXT))
    write = stream.due()
    stream.keeping.give()
    stream.wrote(write, Reading(0, present=False), 0.0)
    assert (len(write.payloads), list(stream.due().payloads), stream.taken) == (1, [], True)


class Slow(MemoryStreams):
    """A store that takes its time with each trip, and remembers whom each one named."""

    def __init__(self) -> None:
        super().__init__()
        self.heirs = list[list[str]]()
        self.began, self.go_on = asyncio.Event(), asyncio.Event()

    async def write(self, writes: Sequence[StreamWrite]) -> Sequence[Reading | None]:
        """Say something in several streams."""
        self.heirs.append([write.heir for write in writes])
        self.began.set()
        await self.go_on.wait()
        return await super().write(writes)


async def test_nothing_more_is_written_of_a_stream_that_was_left_to_an_heir() -> None:
    """Not even what was due before: it would say that there is no heir, who would be refused then."""
    streams = Slow()
    async with asyncio.timeout(10), Writers.writing(streams, Calls(), lease=15.0, grace=30.0) as writers:
        call = Call("/m", unused, id=fresh_uuid(), agent="talker")
        stream = await writers.begin(call)
        stream.keeping.begin("the-heir", lambda _: None, lambda: None)
        await stream.say(Payload("one", TEXT))
        await streams.began.wait()
        await stream.say(Payload("two", TEXT))
        stream.keeping.give()
        stream.keeping.leave()
        streams.go_on.set()
        await settled()
        claim = Claim(call.id, stream.writer, "the-heir", "the-successor", 1, 2)
        assert (streams.heirs, await streams.inherit(claim)) == ([["the-heir"]], 1)
        writers.close(stream)


def test_a_stream_that_gets_another_heir_has_it_named_at_once() -> None:
    """The first one is named with whatever is written next; until another is, the store would refuse it."""
    touched = list[Stream]()
    stream = Stream("the-call", "the-writer", MemoryStreams(), touched.append)
    for heir, writes in (("one", 0), ("two", 1)):
        stream.keeping.begin(heir, lambda _: None, lambda: None)
        assert (len(touched), stream.due().heir) == (writes, heir)
        stream.keeping.leave()


@pytest.fixture
def uncollected() -> Iterator[None]:
    """Nothing collects what holds itself."""
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("uncollected")
async def test_a_stream_that_is_over_is_gone_without_the_collector() -> None:
    """With the call and its keeping: on a node at work the collector would hold up all calls to find them."""
    writers = Writers(MemoryStreams(), Calls(), lease=15.0, grace=30.0)
    call = Call("/m", unused, id=fresh_uuid(), agent="talker")
    stream = await writers.begin(call)
    call.keeping, gone = stream.keeping, ref(stream)
    writers.close(stream)
    del stream
    assert gone() is None
    call.keeping.give()


async def unused(_: Call) -> None:
    """No rest."""
