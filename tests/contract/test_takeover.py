"""What every store of streams promises of writers that are lost, and of the heirs that they have named."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from a2a_node.model.call import CallStatus
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.stream_ports import HEIRS, Streams
from a2a_node.model.streams import Claim, Ending, Reading, StreamHead, StreamWrite
from a2a_node.testing import MemoryStreams
from tests.contract.states import House
from tests.contract.takeover_moves import MOVES, Takeover, drawn

LEASE = 15  # seconds, as both have it


@pytest.fixture
def streams(state_house: House) -> Streams:
    """No streams at all."""
    return state_house.streams


class Writer:
    """The writer of a stream, which has named an heir."""

    def __init__(self, streams: Streams, call_id: str, mark: str) -> None:
        self.streams, self.id, self.mark = streams, call_id, mark
        self.heir = "heir"

    async def say(self, first: int, *texts: str, ending: Ending | None = None) -> Reading | None:
        """Say something from a sequence on."""
        payloads = [Payload(text, TEXT) for text in texts]
        write = StreamWrite(self.id, self.mark, first, payloads, ending, self.heir)
        return (await self.streams.write([write]))[0]

    def claim(self, first: int, last: int) -> Claim:
        """What the heir says that has those outputs."""
        return Claim(self.id, self.mark, "heir", "successor", first, last)

    async def kept(self) -> Sequence[object]:
        """All that is kept."""
        return [event.payload.body for event in (await self.streams.read(self.id, 0)).events]


async def begun(streams: Streams) -> Writer:
    """A stream that has just begun."""
    call_id = fresh_uuid()
    return Writer(streams, call_id, await streams.begin(StreamHead(call_id, "person:ada", "talker", "talk")))


async def test_an_heir_goes_on_after_what_is_kept(streams: Streams) -> None:
    """The writer has no right from then on, and its successor every one."""
    writer = await begun(streams)
    await writer.say(1, "one", "two")
    assert await streams.inherit(writer.claim(2, 3)) == 2
    assert await writer.say(3, "three, by the writer") is None
    successor = Writer(streams, writer.id, "successor")
    assert await successor.say(3, "three") == Reading(0, present=False)
    assert await successor.say(4, "four", ending=Ending(CallStatus.SUCCEEDED)) is not None
    assert await writer.kept() == ["one", "two", "three", "four"]
    assert (await streams.look(writer.id)).record.status is CallStatus.SUCCEEDED


async def test_a_claim_that_is_repeated_is_granted_again(streams: Streams) -> None:
    """By an heir that has not heard the answer; nobody else gets what it has."""
    writer = await begun(streams)
    await writer.say(1, "one")
    assert await streams.inherit(writer.claim(1, 1)) == 1
    assert await streams.inherit(writer.claim(1, 1)) == 1
    assert await streams.inherit(replace(writer.claim(1, 1), successor="another")) is None


async def test_who_is_not_named_gets_nothing(streams: Streams) -> None:
    """Another heir, one of another mark, one of no stream, and any heir once its writer has named nobody."""
    writer = await begun(streams)
    await writer.say(1, "one")
    for claim in (
        replace(writer.claim(2, 1), heir="another"),
        replace(writer.claim(2, 1), writer="another"),
        replace(writer.claim(2, 1), id=fresh_uuid()),
    ):
        assert await streams.inherit(claim) is None
    writer.heir = ""
    assert await writer.say(2, "two") is not None
    assert await streams.inherit(writer.claim(3, 2)) is None
    assert await writer.say(3, "three") is not None


async def test_an_heir_that_was_not_named_yet_goes_on_from_the_beginning(streams: Streams) -> None:
    """The writer died before it said anything."""
    writer = await begun(streams)
    assert await streams.inherit(writer.claim(1, 1)) == 0
    assert await writer.say(1, "one") is None


async def test_a_stream_with_a_hole_is_not_gone_on_with(streams: Streams) -> None:
    """Outputs that neither is kept nor the heir has, and events that the heir has never said."""
    writer = await begun(streams)
    await writer.say(1, "one", "two")
    assert await streams.inherit(writer.claim(4, 5)) is None
    assert await streams.inherit(writer.claim(1, 1)) is None
    assert await writer.say(3, "three") is not None


async def test_a_call_that_has_ended_is_nobodys(streams: Streams, state_house: House) -> None:
    """By its writer's word, or because its writer was lost for too long and others were told so."""
    ended, lost = await begun(streams), await begun(streams)
    await ended.say(1, "one", ending=Ending(CallStatus.SUCCEEDED))
    await lost.say(1, "one")
    await state_house.elapse(int(LEASE * HEIRS) + 1)
    assert (await streams.look(lost.id)).record.status is CallStatus.FAILED
    for writer in (ended, lost):
        assert await streams.inherit(writer.claim(2, 1)) is None


async def test_a_writer_with_an_heir_is_waited_for_half_as_long_again(streams: Streams, state_house: House) -> None:
    """So that the heir has time; who goes on has a lease as everybody."""
    writer = await begun(streams)
    await writer.say(1, "one")
    await state_house.elapse(int(LEASE * HEIRS) - 1)
    assert (await streams.look(writer.id)).record.status is CallStatus.RUNNING
    assert await streams.inherit(writer.claim(2, 1)) == 1
    await state_house.elapse(LEASE - 1)
    assert (await streams.look(writer.id)).record.status is CallStatus.RUNNING
    await state_house.elapse(2)
    assert (await streams.look(writer.id)).record.status is CallStatus.FAILED


async def test_of_many_claims_and_writes_at_once_one_wins(streams: Streams) -> None:
    """Whoever that is: what it says is kept, once, and nothing of the others."""
    for _ in range(20):
        writer = await begun(streams)
        await writer.say(1, "one")
        claims = [replace(writer.claim(2, 2), successor=f"heir {number}") for number in range(5)]
        *granted, said = await asyncio.gather(
            *(streams.inherit(claim) for claim in claims), writer.say(2, "two", ending=Ending(CallStatus.SUCCEEDED))
        )
        winners = [claim for claim, last in zip(claims, granted, strict=True) if last is not None]
        assert len(winners) + (said is not None) == 1
        assert await writer.kept() == (["one"] if winners else ["one", "two"])


async def test_without_the_store_a_claim_fails_fast(streams: Streams, state_house: House) -> None:
    """And is granted once that is back."""
    writer = await begun(streams)
    await state_house.lose()
    with pytest.raises(StoreUnavailable):
        await streams.inherit(writer.claim(1, 0))
    await state_house.recover()
    assert await streams.inherit(writer.claim(1, 0)) == 0


async def played(streams: Streams, moves: Sequence[str]) -> Takeover:
    """Both nodes have done their moves; what is kept is what was said, without holes, and each once."""
    takeover = Takeover(streams)
    await takeover.begin()
    for move in moves:
        await takeover.make(move)
    await takeover.finish()
    kept = await takeover.kept()
    assert kept == [str(number) for number in range(1, len(kept) + 1)]
    if takeover.gave_up:
        assert not takeover.granted
    else:
        assert takeover.granted
        assert len(kept) == takeover.said
    return takeover


@given(st.lists(st.sampled_from(MOVES), max_size=80))
def test_no_interleaving_loses_or_doubles_an_event(moves: Sequence[str]) -> None:
    """Of what is said, kept, repeated, lost on the way, claimed, and written late by a writer that was lost."""
    asyncio.run(played(MemoryStreams(), moves))


async def test_a_hundred_random_interleavings_end_alike_in_every_store(streams: Streams) -> None:
    """One after the other, with the same moves in each."""
    ended = [await played(streams, drawn(Random(seed))) for seed in range(100)]  # noqa: S311 - it keeps no secret
    assert any(one.gave_up for one in ended)
    assert any(one.granted for one in ended)
