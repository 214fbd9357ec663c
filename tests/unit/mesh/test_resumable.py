"""Streams that resume, without sockets: what is kept, what is sent, who waits, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.outliving import Outliving
from a2a_node.mesh.resumable import resumable
from a2a_node.mesh.stream import AHEAD, UNREAD
from a2a_node.model.call import Call, CallStatus, folded
from a2a_node.model.errors import (
    AgentRefused,
    CallCancelled,
    CallIdTaken,
    MeshError,
    NodeLost,
    StoreUnavailable,
    StreamNotFound,
)
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.principal import Principal
from a2a_node.model.state import Gap
from a2a_node.model.streams import StreamHead, StreamWrite
from tests.unit.mesh.stream_house import ADA, GRACE, LEASE, House, nothing, opened, saying, settled


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A node on streams in memory, whose leases nobody renews but the test."""
    async with opened() as house, asyncio.timeout(10):
        yield house


async def test_what_is_said_is_kept_and_sent_and_the_end_after_it(house: House) -> None:
    """All of it, once and in order, to the client and to whoever reads later."""
    call, rpc = house.begin(saying("one", "two", "three"))
    await rpc
    assert house.got == ["one", "two", "three"]
    assert await house.read(call.id) == ["one", "two", "three"]
    assert await house.read(call.id, 2) == ["three"]
    assert (await house.returning.record(call.id)).status is CallStatus.SUCCEEDED
    assert house.writers.open() == 0


async def test_an_output_that_was_kept_with_the_end_is_sent_as_the_last(house: House) -> None:
    """None before it, and none after which there was time to say more."""

    async def work(call: Call) -> None:
        await call.reply(Payload("one", TEXT))
        await settled()
        await saying("two", "three")(call)

    call, rpc = house.begin(work)
    said = list[tuple[object, bool]]()

    async def note(payload: Payload) -> None:
        said.append((payload.body, call.ending))

    house.refuses = note
    await rpc
    assert said == [("one", False), ("two", False), ("three", True)]


async def test_a_failure_comes_after_all_that_was_said(house: House) -> None:
    """The same for both."""

    async def work(call: Call) -> None:
        await call.reply(Payload("one", TEXT))
        raise AgentRefused("no more")

    call, rpc = house.begin(work)
    with pytest.raises(AgentRefused):
        await rpc
    assert house.got == ["one"]
    with pytest.raises(AgentRefused, match="no more"):
        await house.read(call.id)


async def test_a_call_goes_on_without_its_client(house: House) -> None:
    """What it says then is kept for whoever comes back."""
    go = asyncio.Event()

    async def work(call: Call) -> None:
        await call.reply(Payload("one", TEXT))
        await go.wait()
        await call.reply(Payload("two", TEXT))

    call, rpc = house.begin(work)
    await settled()
    rpc.cancel()
    await asyncio.wait([rpc])
    assert house.outliving.alone() == 1
    go.set()
    assert await house.read(call.id) == ["one", "two"]
    assert house.got == ["one"]
    await settled()
    assert house.outliving.alone() == 0


async def test_a_call_that_nobody_reads_ends_after_the_grace(house: House) -> None:
    """Not before, and not while somebody reads it at any node."""
    call, rpc = house.begin(saying("one", then=asyncio.Event()))
    await settled()
    rpc.cancel()
    await asyncio.wait([rpc])
    now = asyncio.get_running_loop().time()
    await house.streams.read(call.id, 1)
    house.writers.look(now + GRACE - 1)
    await settled()
    house.writers.look(now + 2 * GRACE)  # the reader's presence was heard of in the look before
    await settled()
    assert house.calls.get(call.id).status is CallStatus.RUNNING
    house.clock.advance(LEASE - 1)
    house.writers.look(now)
    await settled()
    house.clock.advance(2)
    house.writers.look(now)
    await settled()
    house.writers.look(now + 2 * GRACE)
    await settled()
    with pytest.raises(CallCancelled, match="nobody has read it"):
        await house.read(call.id, 1)


async def test_a_client_that_reads_slowly_slows_its_agent(house: House) -> None:
    """It is never more than so many outputs ahead, and none is lost."""
    house.slow = asyncio.Event()
    said = 0

    async def work(call: Call) -> None:
        nonlocal said
        for number in range(3 * AHEAD):
            await call.reply(Payload(str(number), TEXT))
            said += 1

    _, rpc = house.begin(work)
    for _ in range(10):
        await settled()
    assert said == AHEAD
    house.slow.set()
    await rpc
    assert house.got == [str(number) for number in range(3 * AHEAD)]


async def test_an_agent_without_readers_waits_once_so_much_is_unread(house: House) -> None:
    """And goes on as they read on; nothing that nobody has read is trimmed."""
    said = 0

    async def work(call: Call) -> None:
        nonlocal said
        for number in range(3 * UNREAD):
            await call.reply(Payload(str(number), TEXT))
            said += 1

    house.slow = asyncio.Event()
    call, rpc = house.begin(work)
    await settled()
    rpc.cancel()
    await asyncio.wait([rpc])
    while house.writers.open() and said < UNREAD:
        await settled()
    for _ in range(20):
        await settled()
    assert said == UNREAD
    assert await house.read(call.id) == [str(number) for number in range(3 * UNREAD)]


async def test_without_the_store_the_client_that_is_there_gets_what_follows(house: House) -> None:
    """And nobody can come back: without a client the call ends."""
    go, call_ids = asyncio.Event(), []
    for leaves in (False, True):

        async def work(call: Call) -> None:
            await call.reply(Payload("one", TEXT))
            await go.wait()
            await call.reply(Payload("two", TEXT))
            if call.listener is not None and call.listener.gone:
                await asyncio.Event().wait()

        go.clear()
        call, rpc = house.begin(work)
        call_ids.append(call.id)
        await settled()
        assert call.kept
        if leaves:
            rpc.cancel()
        house.streams.lose()
        go.set()
        await asyncio.wait([rpc])
        await settled()
        house.streams.recover()
    assert house.got == ["one", "two", "one"]
    assert [house.calls.get(call_id).status for call_id in call_ids] == [CallStatus.SUCCEEDED, CallStatus.CANCELLED]


async def test_what_an_emptied_store_has_forgotten_goes_on_for_the_client_that_is_there(house: House) -> None:
    """With all that follows, as without the store."""
    go = asyncio.Event()

    async def work(call: Call) -> None:
        await call.reply(Payload("one", TEXT))
        await go.wait()
        for word in ("two", "three"):
            await call.reply(Payload(word, TEXT))

    call, rpc = house.begin(work)
    await settled()
    house.streams.empty()
    go.set()
    await rpc
    assert house.got == ["one", "two", "three"]
    assert house.calls.get(call.id).status is CallStatus.SUCCEEDED


async def test_a_stream_under_a_key_that_an_emptied_store_has_forgotten_ends(house: House) -> None:
    """Before a repeat under that key could begin beside it."""
    call, rpc = house.begin(saying("one", then=asyncio.Event()))
    await settled()
    stream = house.writers.begun(call)
    assert stream is not None
    stream.alone = True  # as it is under a key
    house.streams.empty()
    house.writers.look(0.0)
    with pytest.raises(StoreUnavailable):
        await rpc


async def test_a_writer_that_was_taken_for_lost_stops_its_call(house: House) -> None:
    """What others were told holds: the call has ended with NODE_LOST."""
    call, rpc = house.begin(saying("one", then=asyncio.Event()))
    await settled()
    house.clock.advance(LEASE + 1)
    with pytest.raises(NodeLost):
        await house.read(call.id, 1)
    house.writers.look(0.0)
    with pytest.raises(NodeLost):
        await rpc


async def test_the_calls_of_a_node_end_with_it() -> None:
    """Also those without a client; their readers are told at once."""
    async with opened() as house:
        call, rpc = house.begin(saying("one", then=asyncio.Event()))
        await settled()
        rpc.cancel()
        await asyncio.wait([rpc])
    with pytest.raises(NodeLost):
        await house.read(call.id, 1)


@pytest.mark.parametrize("fields", [{"resumable": False}, {"door": "peers"}, {"metadata": {"a2a-call-token": "token"}}])
async def test_other_calls_end_with_their_rpc(house: House, fields: dict[str, object]) -> None:
    """Those that do not want to be kept, those of other nodes, and children; nothing of them is kept."""
    call, rpc = house.begin(saying("one", then=asyncio.Event()), **fields)
    await settled()
    rpc.cancel()
    await asyncio.wait([rpc])
    assert house.calls.get(call.id).status is CallStatus.CANCELLED
    with pytest.raises(StreamNotFound):
        await house.read(call.id)


async def test_an_id_that_is_taken_in_the_mesh_is_refused_before_any_work(house: House) -> None:
    """By whichever node it was begun."""
    call, rpc = house.begin(saying("never"))
    await house.streams.begin(StreamHead(call.id, "person:eve", "talker", "talk"))
    with pytest.raises(CallIdTaken):
        await rpc
    assert house.got == []


async def test_only_so_many_calls_go_on_without_their_clients() -> None:
    """One more ends with its client."""
    async with opened() as house:
        house.outliving = Outliving(house.calls, most=1)
        first, rpc = house.begin(saying("one", then=asyncio.Event()))
        second, other = house.begin(saying("one", then=asyncio.Event()))
        await settled()
        for task in (rpc, other):
            task.cancel()
            await asyncio.wait([task])
        await settled()
        assert house.calls.get(first.id).status is CallStatus.RUNNING
        assert house.calls.get(second.id).status is CallStatus.CANCELLED
        await house.outliving.end()


async def test_only_who_began_a_stream_reads_on(house: House) -> None:
    """For others there is none; the layer names the agent, so that the permission to call it is asked for."""
    await house.streams.begin(StreamHead(call_id := fresh_uuid(), str(ADA), "talker", "talk"))
    mine = Call("m", nothing, id=call_id, principal=ADA, resumes=0)
    await house.returning.layer(mine, nothing)
    assert (mine.agent, mine.capability) == ("talker", "talk")
    with pytest.raises(StreamNotFound):
        await house.returning.layer(
            Call("m", nothing, id=call_id, principal=Principal("person", "eve"), resumes=0), nothing
        )


@pytest.mark.parametrize(
    ("principal", "scopes", "own"),
    [
        (ADA, None, True),
        (ADA, ("agent:talker:invoke",), True),
        (ADA, ("agent:other:invoke",), False),
        (Principal("person", "eve"), None, False),
    ],
)
async def test_ones_own_call_is_known_as_such(
    house: House, principal: Principal, scopes: tuple[str, ...] | None, *, own: bool
) -> None:
    """By the principal that began it, and a key that could have."""
    await house.streams.begin(StreamHead(call_id := fresh_uuid(), str(ADA), "talker", "talk"))
    asked = Call("m", nothing, about=call_id, principal=principal, scopes=scopes)
    await house.returning.layer(asked, nothing)
    assert asked.own is own


async def test_what_is_trimmed_is_told_as_a_gap(house: House) -> None:
    """Before what is still kept."""
    writer = await house.streams.begin(StreamHead(call_id := fresh_uuid(), str(ADA), "talker", "talk"))
    words = [Payload("x" * (5 << 20), TEXT), Payload("y" * (5 << 20), TEXT)]
    await house.streams.write([StreamWrite(call_id, writer, 1, words)])
    events = house.returning.events(call_id, 0)
    assert await anext(events) == Gap(1, 1)
    await events.aclose()


async def test_how_a_call_with_a_key_stands_is_kept_with_its_output(house: House) -> None:
    """For every node to tell; a repeat under the same id goes on to whoever knows the outcome."""
    keyed: dict[str, object] = {"resumable": False, "unary": True, "idempotency_key": "k"}
    call, rpc = house.begin(saying("one"), **keyed)
    await rpc
    assert house.got == ["one"]
    record = await house.returning.record(call.id)
    assert (record.status, record.output) == (CallStatus.SUCCEEDED, Payload("one", TEXT))
    elsewhere = Calls()
    repeat = Call("/AgentService/Invoke", nothing, id=call.id, agent="talker", principal=ADA, unary=True)
    repeat.idempotency_key, repeat.reply = "k", house.heard
    kept = resumable(house.writers, elsewhere, house.returning.events)
    await folded([kept, elsewhere.track], saying("two"))(repeat)
    assert house.got == ["one", "two"]


async def test_a_call_with_a_key_whose_node_died_is_told_as_lost(house: House) -> None:
    """Within its lease; and not while its node lives."""
    keyed: dict[str, object] = {"resumable": False, "unary": True, "idempotency_key": "k"}
    call, rpc = house.begin(saying(then=asyncio.Event()), **keyed)
    await settled()
    assert (await house.returning.record(call.id)).status is CallStatus.RUNNING
    house.clock.advance(LEASE + 1)
    record = await house.returning.record(call.id)
    assert (record.status, repr(record.error)) == (CallStatus.FAILED, repr(NodeLost(call.id)))
    rpc.cancel()


def test_errors_of_streams_tell_what_to_do() -> None:
    """Whoever lost a call learns whether to begin it again."""
    error: MeshError = NodeLost("c1")
    assert (error.code, error.retryable) == ("UNAVAILABLE", True)
