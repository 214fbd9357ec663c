"""Streams that go on at the node of their agent when the link to the node of their client breaks, without sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.heirs import Heirs
from a2a_node.mesh.outliving import Outliving
from a2a_node.mesh.resumable import resumable
from a2a_node.mesh.returning import Returning
from a2a_node.mesh.writers import Writers
from a2a_node.model.call import Call, CallStatus, folded
from a2a_node.model.errors import AgentLost, CallCancelled, MeshError, NodeLost
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.principal import Principal
from a2a_node.model.state import Gap
from a2a_node.testing import Clock, MemoryStreams
from tests.unit.mesh.wires import RULES, THERE, Heard, Pair, asked, linked

ADA = Principal("person", "ada")
GRACE, LEASE = 30.0, 15.0
SHORT = replace(RULES, absence=0.02)


@dataclass
class Side:
    """One of both nodes."""

    calls: Calls
    writers: Writers
    returning: Returning


@dataclass
class House:
    """A node that keeps a stream, the link from it, and a node whose agent says what it is told to."""

    pair: Pair
    streams: MemoryStreams
    here: Side
    there: Side
    heirs: Heirs
    outliving: Outliving
    heard: Heard
    orders: asyncio.Queue[str | MeshError | None]
    stopped: asyncio.Event

    def begin(self) -> tuple[Call, asyncio.Task[None]]:
        """A call of a client here to the agent there, and the task of its RPC."""
        call = asked("serve", self.heard, unary=False)
        call.id, call.principal, call.resumable = fresh_uuid(), ADA, True

        async def carry(call: Call) -> None:
            call.instance = THERE
            await self.pair.carry(call)

        kept = resumable(self.here.writers, self.here.calls, self.here.returning.events)
        run = folded([self.outliving.layer, kept, self.here.calls.track], carry)
        return call, asyncio.ensure_future(_run(run, call))

    def say(self, *orders: str | MeshError | None) -> None:
        """Have the agent say something; None ends its work, an error fails it."""
        for order in orders:
            self.orders.put_nowait(order)

    async def broken(self) -> None:
        """The link breaks, and both nodes learn it: first the one whose agent works."""
        await self.pair.wire.there.put(None)
        while len(self.pair.arrivals):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0)
        await settled()
        await self.pair.wire.back.put(None)
        await settled()

    async def read(self, call_id: str) -> list[object]:
        """All that is kept, until the end."""
        return [told(event) async for event in self.there.returning.events(call_id, 0)]


def told(event: object) -> object:
    """What an event says."""
    return event if isinstance(event, Gap) else event.payload.body  # type: ignore[attr-defined]


async def dropped(rpc: asyncio.Task[None]) -> None:
    """The client goes away."""
    rpc.cancel()
    await asyncio.gather(rpc, return_exceptions=True)


async def settled() -> None:
    """Let everybody go on as far as they can."""
    for _ in range(100):
        await asyncio.sleep(0)


async def _run(run: Callable[[Call], Awaitable[None]], call: Call) -> None:
    await run(call)


@asynccontextmanager
async def side(streams: MemoryStreams) -> AsyncIterator[Side]:
    """A node on those streams."""
    calls = Calls()
    async with Writers.writing(streams, calls, lease=LEASE, grace=GRACE) as writers:
        yield Side(calls, writers, Returning(streams, calls, LEASE))


@asynccontextmanager
async def opened(rules: object = RULES) -> AsyncIterator[House]:
    """Both nodes."""
    streams = MemoryStreams(Clock(), lease=LEASE)
    async with (
        asyncio.timeout(10),
        side(streams) as here,
        side(streams) as there,
        Heirs.waiting(streams, there.writers, there.calls, LEASE) as heirs,
        Outliving.keeping(here.calls) as outliving,
        linked(rules, heirs=heirs) as pair,  # type: ignore[arg-type]
    ):
        house = House(pair, streams, here, there, heirs, outliving, Heard(), asyncio.Queue(), asyncio.Event())
        pair.arrivals.opens(pair.script.run, folded([there.calls.track], _agent(house)), heirs)
        yield house


def _agent(house: House) -> Callable[[Call], Awaitable[None]]:
    async def serve(call: Call) -> None:
        call.carrier, call.principal = "one", ADA
        try:
            while (order := await house.orders.get()) is not None:
                if isinstance(order, MeshError):
                    raise order
                await call.reply(Payload(order, TEXT))
        except asyncio.CancelledError:
            house.stopped.set()
            raise

    return serve


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Both nodes."""
    async with opened() as house:
        yield house


async def test_a_stream_goes_on_without_its_link(house: House) -> None:
    """Whoever reads gets all of it, once, and so does the client whose node lives and learns of its loss."""
    call, rpc = house.begin()
    house.say("one", "two")
    await settled()
    assert house.heard.texts == ["one", "two"]
    await house.broken()
    house.here.writers.look(0.0)
    house.say("three", "four", None)
    await rpc
    assert house.heard.texts == ["one", "two", "three", "four"]
    assert await house.read(call.id) == ["one", "two", "three", "four"]
    record = house.there.calls.get(call.id)
    assert (record.status, record.carried) == (CallStatus.SUCCEEDED, False)
    assert house.here.calls.get(call.id).carried
    assert (len(house.heirs), house.there.writers.open()) == (0, 0)


@pytest.mark.parametrize("last", [None, MeshError("not today")], ids=["good", "bad"])
async def test_what_was_on_its_way_when_the_link_broke_is_kept(house: House, last: MeshError | None) -> None:
    """Also when the agent had said everything, and how it ended."""
    call, rpc = house.begin()
    house.say("one")
    await settled()
    house.pair.wire.back = asyncio.Queue()  # nothing more is heard here of what is said there
    house.say("two", last)
    await settled()
    await house.pair.wire.there.put(None)
    events = house.there.returning.events(call.id, 0)
    assert [told(await anext(events)) for _ in range(2)] == ["one", "two"]
    with pytest.raises(StopAsyncIteration if last is None else MeshError) as end:
        await anext(events)
    assert last is None or str(end.value) == "not today"
    await dropped(rpc)


async def test_a_call_that_its_node_cancels_is_not_gone_on_with(house: House) -> None:
    """The agent is stopped, and nothing of it is left."""
    call, rpc = house.begin()
    house.say("one")
    await settled()
    await house.here.calls.cancel(call.id, "enough")
    await house.stopped.wait()
    with pytest.raises(CallCancelled):
        await rpc
    await house.broken()
    assert len(house.heirs) == 0


async def test_a_node_that_was_first_to_end_the_stream_keeps_its_word(house: House) -> None:
    """It learns of the broken link before the other one does: the agent is stopped there."""
    call, rpc = house.begin()
    house.say("one")
    await settled()
    await house.pair.wire.back.put(None)
    with pytest.raises(AgentLost):
        await rpc
    await house.pair.wire.there.put(None)
    await house.stopped.wait()
    with pytest.raises(AgentLost):
        await house.read(call.id)
    await settled()
    assert len(house.heirs) == 0


async def test_a_node_that_gives_no_sign_is_taken_for_lost() -> None:
    """Its streams go on, and their readers are told all."""
    async with opened(SHORT) as house:
        call, rpc = house.begin()
        house.say("one")
        await settled()
        house.pair.wire.there = asyncio.Queue()  # it stands still: nothing of it comes there
        while len(house.pair.arrivals):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.001)
        house.say("two", None)
        assert await house.read(call.id) == ["one", "two"]
        await dropped(rpc)


async def test_a_node_that_stops_leaves_its_streams_to_the_nodes_of_their_agents(house: House) -> None:
    """Without a word to the agent, which goes on; the stream is taken over once the link ends."""
    call, rpc = house.begin()
    house.say("one")
    await settled()
    await dropped(rpc)
    await house.outliving.end()
    await settled()
    assert not house.stopped.is_set()
    await house.pair.wire.there.put(None)
    house.say("two", None)
    assert await house.read(call.id) == ["one", "two"]


async def test_nothing_is_remembered_once_all_is_kept(house: House) -> None:
    """And a call whose end is kept leaves nothing at the other node."""
    _, rpc = house.begin()
    house.say(*(str(number) for number in range(100)), None)
    await rpc
    await settled()
    assert house.heard.texts == [str(number) for number in range(100)]
    assert house.pair.arrivals.load() == 0


async def test_only_so_many_streams_are_gone_on_with() -> None:
    """The others end with the node that kept them."""
    async with opened() as house:
        house.heirs._most = 0  # noqa: SLF001
        _, rpc = house.begin()
        house.say("one")
        await settled()
        await house.pair.wire.there.put(None)
        await house.stopped.wait()
        await dropped(rpc)


async def test_a_node_that_stops_ends_what_it_goes_on_with(house: House) -> None:
    """Its readers are told so, after all that was said."""
    call, rpc = house.begin()
    house.say("one")
    await settled()
    await house.pair.wire.there.put(None)
    await settled()
    assert len(house.heirs) == 1
    await house.heirs.end()
    with pytest.raises(NodeLost):
        await house.read(call.id)
    await dropped(rpc)


async def test_a_node_that_closes_takes_no_stream_from_one_that_lives(house: House) -> None:
    """It cuts the work off, and its client is told so by its own node."""
    call, rpc = house.begin()
    house.say("one")
    await house.heard.first.wait()
    house.pair.arrivals.part()
    await house.broken()
    await house.stopped.wait()
    with pytest.raises(AgentLost):
        await rpc
    assert (len(house.heirs), house.heard.texts) == (0, ["one"])
    with pytest.raises(AgentLost):
        await house.read(call.id)


async def test_nobody_reads_a_stream_that_is_gone_on_with(house: House) -> None:
    """After the grace it ends, as every other does."""
    call, rpc = house.begin()
    house.say("one")
    await settled()
    await house.pair.wire.there.put(None)
    await settled()
    house.there.writers.look(asyncio.get_running_loop().time() + GRACE)
    await house.stopped.wait()
    assert house.there.calls.get(call.id).status is CallStatus.CANCELLED
    await dropped(rpc)
