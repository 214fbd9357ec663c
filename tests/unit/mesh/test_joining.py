"""Streams with an idempotency key, without sockets: one agent works, and whoever repeats the call hears all of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from time import monotonic

import pytest

from a2a_node.mesh.calls import Calls
from a2a_node.mesh.joining import Joining
from a2a_node.mesh.outliving import Outliving
from a2a_node.mesh.resumable import resumable
from a2a_node.mesh.returning import Returning
from a2a_node.mesh.writers import Writers
from a2a_node.model.call import Call, CallStatus, Once, folded
from a2a_node.model.envelope import Envelope
from a2a_node.model.errors import (
    AgentLost,
    AgentRefused,
    CallCancelled,
    CallIdTaken,
    IdempotencyKeyReused,
    MeshError,
    NodeLost,
    StoreUnavailable,
)
from a2a_node.model.names import fresh_uuid
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.principal import Principal
from a2a_node.model.state import Gap
from a2a_node.model.streams import StreamHead, StreamKey
from a2a_node.testing import Clock, MemoryStreams

ADA = Principal("person", "ada")
GRACE, LEASE = 30.0, 15.0


@dataclass
class Client:
    """One RPC, and what its client got."""

    call: Call
    rpc: asyncio.Task[None]
    got: list[object] = field(default_factory=list)


class Talker:
    """An agent that says words, then waits or fails; it counts how often it works."""

    def __init__(self, *words: str) -> None:
        self.words, self.worked = words, 0
        self.go = asyncio.Event()
        self.failure: MeshError | None = None

    async def work(self, call: Call) -> None:
        """One call."""
        self.worked += 1
        for word in self.words:
            await call.reply(Payload(word, TEXT))
        await self.go.wait()
        if self.failure is not None:
            raise self.failure


class Stores:
    """What all nodes share."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.streams = MemoryStreams(self.clock, lease=LEASE)


class House:
    """A node's layers around one agent."""

    def __init__(self, stores: Stores, talker: Talker, writers: Writers, outliving: Outliving, calls: Calls) -> None:
        self.stores, self.talker, self.writers, self.calls = stores, talker, writers, calls
        self.returning = Returning(stores.streams, calls, LEASE)
        joining = Joining(writers, self.returning, fresh_uuid)
        kept = resumable(writers, calls, self.returning.events)
        self._run = folded([outliving.layer, joining.layer, kept, calls.track], self._work)

    async def _work(self, call: Call) -> None:
        await self.talker.work(call)

    def ask(self, body: str = "tell", **fields: object) -> Client:
        """A client that asks under the key."""
        call = Call("/AgentService/InvokeStream", _nothing, id=fresh_uuid(), agent="talker", principal=ADA)
        call.resumable, call.idempotency_key, call.requests = True, "k", Once(Payload(body, TEXT))
        for name, value in fields.items():
            setattr(call, name, value)
        call.envelope = Envelope(monotonic() + 60, 60.0, root=call.id, id=call.id)
        got: list[object] = []

        async def heard(payload: Payload) -> None:
            got.append(payload.body)

        async def missed(gap: Gap) -> None:
            got.append(gap)

        call.reply, call.missed = heard, missed
        return Client(call, asyncio.ensure_future(_run(self._run, call)), got)


async def _run(run: Callable[[Call], Awaitable[None]], call: Call) -> None:
    await run(call)


async def _nothing(_: Call) -> None:
    """No rest."""


async def settled() -> None:
    """Let everybody go on as far as they can."""
    for _ in range(80):
        await asyncio.sleep(0)


@pytest.fixture
async def stores() -> AsyncIterator[Stores]:
    """Stores in memory, and time that passes when the test says so."""
    async with asyncio.timeout(10):
        yield Stores()


@pytest.fixture
async def house(stores: Stores) -> AsyncIterator[House]:
    """A node whose agent says two words."""
    calls = Calls()
    async with (
        Writers.writing(stores.streams, calls, lease=LEASE, grace=GRACE) as writers,
        Outliving.keeping(calls) as outliving,
    ):
        yield House(stores, Talker("one", "two"), writers, outliving, calls)


async def test_a_repeat_joins_the_first_call(house: House) -> None:
    """While it runs and after it: what was said before, then what follows, as the same call."""
    first = house.ask()
    await settled()
    second = house.ask()
    await settled()
    assert (first.got, second.got) == (["one", "two"], ["one", "two"])
    house.talker.go.set()
    await asyncio.gather(first.rpc, second.rpc)
    third = house.ask()
    await third.rpc
    assert third.got == ["one", "two"]
    assert first.call.id == second.call.id == third.call.id
    assert [client.call.replayed for client in (first, second, third)] == [False, True, True]
    assert house.talker.worked == 1


async def test_of_many_at_once_one_works(house: House) -> None:
    """And all hear it."""
    clients = [house.ask() for _ in range(20)]
    house.talker.go.set()
    await asyncio.gather(*(client.rpc for client in clients))
    assert house.talker.worked == 1
    assert {tuple(client.got) for client in clients} == {("one", "two")}
    assert len({client.call.id for client in clients}) == 1


async def test_another_request_under_the_key_is_refused(house: House) -> None:
    """By the key as its caller wrote it; keys of others, and of other agents, are others."""
    house.talker.go.set()
    await house.ask().rpc
    with pytest.raises(IdempotencyKeyReused, match="'k'"):
        await house.ask("another").rpc
    for other in ({"principal": Principal("person", "bob")}, {"agent": "another"}, {"capability": "shout"}):
        await house.ask("another", **other).rpc
    assert house.talker.worked == 4


async def test_what_was_said_before_a_failure_is_said_again_and_then_the_failure(house: House) -> None:
    """Also one that another try might mend: whoever heard a word would hear it twice."""
    house.talker.failure = AgentLost("talker", "i")
    house.talker.go.set()
    for _ in range(2):
        client = house.ask()
        with pytest.raises(AgentLost):
            await client.rpc
        assert client.got == ["one", "two"]
    assert house.talker.worked == 1


@pytest.mark.parametrize(
    ("failure", "works"), [(AgentRefused("no"), 1), (AgentLost("talker", "i"), 2)], ids=["final", "not"]
)
async def test_a_failure_without_a_word_is_final_or_mended(house: House, failure: MeshError, works: int) -> None:
    """As that of a unary call: what would end the same way is kept, all else is tried again."""
    house.talker.words, house.talker.failure = (), failure
    house.talker.go.set()
    for _ in range(2):
        with pytest.raises(type(failure)):
            await house.ask().rpc
    assert house.talker.worked == works


async def test_those_who_wait_begin_again_what_was_lost_without_a_word(house: House) -> None:
    """One of them does, and the others join that one; the first client hears of the loss."""
    house.talker.words = ()
    first = house.ask()
    await settled()
    waiting = [house.ask() for _ in range(3)]
    await settled()
    house.talker.words = ("late",)
    house.calls.stop(first.call.id, CallCancelled(first.call.id, "stopped"))
    house.talker.go.set()
    with pytest.raises(CallCancelled):
        await first.rpc
    await asyncio.gather(*(client.rpc for client in waiting))
    assert [client.got for client in waiting] == [["late"]] * 3
    assert {client.call.id for client in waiting}.isdisjoint({first.call.id})
    assert house.talker.worked == 2


async def test_a_call_whose_node_died_is_begun_again_if_nothing_was_said(house: House, stores: Stores) -> None:
    """With words it ends with NODE_LOST for whoever repeats it; the dead node says nothing in this test."""
    dead = Call("/m", _nothing, id=fresh_uuid(), agent="talker", principal=ADA, idempotency_key="k")
    dead.requests = Once(Payload("tell", TEXT))
    silent = Writers(stores.streams, Calls(), lease=LEASE, grace=GRACE)
    died = Joining(silent, house.returning, fresh_uuid)
    await died.layer(dead, _nothing)
    house.talker.go.set()
    house.returning._pulse = 0.01  # noqa: SLF001 - a reader looks again so often, by the loop's clock
    client = house.ask()
    await settled()
    assert (house.talker.worked, client.call.id) == (0, dead.id)  # it may live: its lease has not ended
    stores.clock.advance(LEASE + 1)
    await asyncio.gather(client.rpc, house.ask().rpc)
    assert (house.talker.worked, client.got) == (1, ["one", "two"])


async def test_a_repeat_under_the_id_of_what_was_lost_gets_another(house: House) -> None:
    """Its own names the call that is lost; one that is taken by a call without the key stays taken."""
    house.talker.words, house.talker.failure = (), NodeLost("c")
    house.talker.go.set()
    first = house.ask()
    with pytest.raises(NodeLost):
        await first.rpc
    lost = first.call.id
    house.talker.failure = None
    again = house.ask(id=lost)
    await again.rpc
    assert again.call.id != lost
    assert again.call.envelope is not None
    assert (again.call.envelope.id, again.call.envelope.root) == (again.call.id, again.call.id)
    with pytest.raises(CallIdTaken):
        await house.ask(id=lost, idempotency_key="another").rpc


async def test_a_client_that_leaves_takes_nothing_with_it(house: House) -> None:
    """Neither the first, whose call goes on, nor one that has joined."""
    first, second, third = house.ask(), house.ask(), house.ask()
    await settled()
    for client in (first, second):
        client.rpc.cancel()
        with pytest.raises(asyncio.CancelledError):
            await client.rpc
    house.talker.go.set()
    await third.rpc
    assert third.got == ["one", "two"]
    assert house.talker.worked == 1


async def test_a_call_that_ends_with_its_rpc_is_kept_under_its_key_as_well(house: House) -> None:
    """As those of agents at work: all its words, however many, for its own client and for others."""
    house.talker.words = tuple(map(str, range(200)))
    first = house.ask(resumable=False)
    await settled()
    house.talker.go.set()
    await first.rpc
    second = house.ask()
    await second.rpc
    assert first.got == second.got == list(house.talker.words)
    assert house.talker.worked == 1


async def test_trimmed_words_are_told_as_a_gap(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never silently."""
    monkeypatch.setattr("a2a_node.testing.streams.KEPT", 1)
    house.talker.go.set()
    first, second = house.ask(), None
    await first.rpc
    second = house.ask()
    await second.rpc
    assert second.got == [Gap(1, 1), "two"]


async def test_without_the_store_nothing_is_promised(house: House, stores: Stores) -> None:
    """A call is refused before any work, and one under way is ended before another could begin."""
    stores.streams.lose()
    with pytest.raises(StoreUnavailable):
        await house.ask().rpc
    assert house.talker.worked == 0
    stores.streams.recover()
    client = house.ask()
    await settled()
    stores.streams.lose()
    house.writers.look(0.0)
    with pytest.raises(StoreUnavailable):
        await client.rpc
    assert (house.talker.worked, house.writers.open()) == (1, 0)


async def test_the_first_call_is_told_by_every_node(house: House) -> None:
    """As that of any stream that is kept."""
    house.talker.go.set()
    client = house.ask()
    await client.rpc
    assert (await house.returning.record(client.call.id)).status is CallStatus.SUCCEEDED


async def test_a_call_that_is_cut_off_while_it_begins_keeps_nobody_waiting(house: House, stores: Stores) -> None:
    """It has begun in the store, and nobody works on it: a repeat begins anew at once, not after a lease."""
    begin, began = stores.streams.begin_once, asyncio.Event()

    async def unanswered(head: StreamHead, writer: str, key: StreamKey) -> str:
        await begin(head, writer, key)
        began.set()
        await asyncio.Event().wait()
        return ""

    stores.streams.begin_once = unanswered  # type: ignore[method-assign]
    cut = Call("/m", _nothing, id=fresh_uuid(), agent="talker", principal=ADA, idempotency_key="k")
    cut.requests = Once(Payload("tell", TEXT))
    beginning = asyncio.ensure_future(
        _run(partial(Joining(house.writers, house.returning, fresh_uuid).layer, proceed=_nothing), cut)
    )
    await began.wait()
    beginning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    stores.streams.begin_once = begin  # type: ignore[method-assign]
    house.talker.go.set()
    again = house.ask()
    await again.rpc
    assert (again.got, house.talker.worked) == (["one", "two"], 1)
