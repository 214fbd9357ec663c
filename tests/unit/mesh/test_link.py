"""Calls over a link: what passes, what is bounded, and what is known when it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import Self

import pytest

from a2a_node.mesh import arriving as arriving_module
from a2a_node.mesh.arrivals import Arrivals
from a2a_node.mesh.background import background
from a2a_node.mesh.parts import PART_BYTES
from a2a_node.mesh.work import Peer
from a2a_node.model.call import Call
from a2a_node.model.errors import (
    AgentLost,
    AgentProtocol,
    InternalError,
    MeshError,
    NodeUnreachable,
    PayloadTooLarge,
    PermissionDenied,
)
from a2a_node.model.payload import TEXT, Payload
from a2a_node.model.principal import Principal
from a2a_node.model.trace import Trace
from a2a_node.wire.doubt import SILENT, Doubt
from a2amesh.v1 import peer_service_pb2 as pb
from tests.unit.mesh.wires import PATIENCE, RULES, Heard, Wire, asked, linked

LARGE = replace(RULES, payload_limit=100 * PART_BYTES)


async def test_a_call_goes_there_and_its_answer_comes_back() -> None:
    """With the envelope, the trace and the baggage, and with nothing else of what its caller sent."""
    async with linked() as pair:
        heard = Heard()
        call = asked("say", heard)
        call.trace = Trace(1, 2, sampled=True, state="x=y")
        await pair.carry(call)
        (seen,) = pair.script.calls
    assert heard.texts == ["hello"]
    traced = {"traceparent": str(call.trace), "tracestate": "x=y", "baggage": "a=b"}
    assert dict(seen.metadata) == {**traced, "a2a-envelope-bin": b"sealed"}
    assert (seen.agent, seen.capability, seen.id, seen.wanted) == ("echo", "say", "the-call", "i-1")
    assert (seen.method, seen.door, seen.unary, seen.peer) == (
        "/a2amesh.v1.AgentService/Invoke",
        "peers",
        True,
        "one:1",
    )
    assert seen.identities_of() == ("spiffe://a2a.local/node/one",)
    assert pair.opened == [True]


async def test_outputs_come_in_order_and_no_faster_than_they_are_taken() -> None:
    """The agent is as many ahead as was allowed, and no more."""
    async with linked() as pair:
        heard = Heard()
        heard.go_on.clear()
        task = asyncio.create_task(pair.carry(asked("count", heard, unary=False)))
        async with asyncio.timeout(PATIENCE):
            await heard.first.wait()
            for _ in range(50):
                await asyncio.sleep(0)
            assert pair.script.said <= RULES.credit + 1
            heard.go_on.set()
            await task
        assert heard.texts == [str(number) for number in range(100)]


async def test_inputs_come_in_order_and_no_faster_than_they_are_taken() -> None:
    """Each is answered; the end of the inputs ends the call."""

    async def inputs() -> AsyncIterator[Payload]:
        for number in range(100):
            yield Payload(str(number), TEXT)

    async with linked() as pair:
        heard = Heard()
        call = asked("talk", heard, unary=False, talks=True)
        call.requests = inputs()
        await pair.carry(call)
        assert heard.texts == [str(number) for number in range(100)]
        assert pair.script.calls[0].method.endswith("/Converse")


async def test_many_calls_at_once_go_as_few_messages() -> None:
    """Each gets its own answer."""
    async with linked() as pair:
        heard = [Heard() for _ in range(200)]
        await asyncio.gather(*(pair.carry(asked("say", one, text=str(n))) for n, one in enumerate(heard)))
        assert [one.texts for one in heard] == [[str(number)] for number in range(200)]
        assert len(pair.wire.written) < 100


async def test_a_large_call_does_not_hold_up_small_ones() -> None:
    """In either direction: a small call that begins behind a large one is over before it."""
    async with linked(LARGE) as pair:
        ended = list[int]()

        async def carried(size: int) -> None:
            heard = Heard()
            await pair.carry(asked("say", heard, text="x" * size))
            assert [len(str(text)) for text in heard.texts] == [size]
            ended.append(size)

        large = asyncio.create_task(carried(50 * PART_BYTES))
        await pair.wire.parted.wait()
        await carried(1)
        assert ended == [1]
        pair.script.begun.clear()
        await pair.script.begun.wait()
        await carried(2)
        await large
        assert ended == [1, 2, 50 * PART_BYTES]


async def test_a_large_call_that_nobody_waits_for_leaves_nothing_there() -> None:
    """Neither what has come of it nor what was still to come."""
    async with linked(LARGE) as pair:
        large = asyncio.create_task(pair.carry(asked("say", Heard(), text="x" * 50 * PART_BYTES)))
        await pair.wire.parted.wait()
        large.cancel()
        await pair.carry(asked("say", Heard()))
        said = pair.wire.kinds()
        assert said.index("cancel") > said.index("part")
        assert "part" not in said[said.index("cancel") :]
        assert len(pair.script.calls) == 1


@pytest.mark.parametrize(("size", "talks"), [(2_000, True), (3 * PART_BYTES, True), (3 * PART_BYTES, False)])
async def test_an_input_too_large_for_the_other_node_ends_that_call_alone(size: int, *, talks: bool) -> None:
    """In one frame or in parts, later or at once: all else on the link goes on."""
    async with linked(LARGE, there=replace(LARGE, payload_limit=1000)) as pair:
        other = asyncio.create_task(pair.carry(asked("wait", Heard())))
        await pair.script.begun.wait()
        call = asked("talk" if talks else "say", Heard(), text="x" * size, talks=talks)
        with pytest.raises(PayloadTooLarge):
            await pair.carry(call)
        assert call.begun == talks
        heard = Heard()
        await pair.carry(asked("say", heard))
        assert heard.texts == ["hello"]
        assert not other.done()
        other.cancel()


async def test_an_output_too_large_for_this_node_ends_that_call_alone() -> None:
    """Its agent is stopped."""
    async with linked(replace(LARGE, payload_limit=1000), there=LARGE) as pair:
        with pytest.raises(PayloadTooLarge):
            await pair.carry(asked("talk", Heard(), text="x" * 3 * PART_BYTES, unary=False, talks=True))
        heard = Heard()
        await pair.carry(asked("say", heard))
        assert heard.texts == ["hello"]


@pytest.mark.parametrize(("forgets", "parted"), [("calling", [False, False]), ("called", [False, True])])
async def test_a_node_that_reads_no_parts_is_sent_none(forgets: str, parted: list[bool]) -> None:
    """One of an earlier version, at either end."""
    async with linked(LARGE) as pair:
        pair.wire.forgets = forgets
        heard = Heard()
        await pair.carry(asked("say", heard, text="x" * 2 * PART_BYTES))
        assert len(str(*heard.texts)) == 2 * PART_BYTES
        directions = (pair.wire.written, pair.wire.heard)
        assert [any(frame.HasField("part") for frame in frames) for frames in directions] == parted


async def test_a_cancelled_call_is_cancelled_there() -> None:
    """And nothing is left of it on either side."""
    async with linked() as pair:
        task = asyncio.create_task(pair.carry(asked("wait", Heard())))
        async with asyncio.timeout(PATIENCE):
            await pair.script.begun.wait()
            task.cancel()
            await pair.script.cancelled.wait()
            await asyncio.gather(task, return_exceptions=True)
            while pair.arrivals.load():  # noqa: ASYNC110 - the other end tells nobody
                await asyncio.sleep(0)
        assert pair.link.in_flight == 0


@pytest.mark.parametrize(("capability", "begun"), [("refuse", False), ("fail", True)])
async def test_it_is_known_whether_anybody_has_begun(capability: str, begun: bool) -> None:  # noqa: FBT001 - a table
    """So that what nobody has begun may go elsewhere."""
    async with linked() as pair:
        call = asked(capability, Heard())
        with pytest.raises(MeshError, match=r"not (here|now)"):
            await pair.carry(call)
        assert call.begun is begun


async def test_a_conversation_that_nobody_began_is_said_again() -> None:
    """Every input of it, those among them that were sent ahead, and in their order."""

    async def inputs() -> AsyncIterator[Payload]:
        for number in range(9):
            yield Payload(f"{number}", TEXT)

    heard = Heard()
    async with linked() as pair:
        call = asked("overrun", heard, unary=False, talks=True)
        call.requests = inputs()
        with pytest.raises(MeshError, match="not here"):
            await pair.carry(call)
        assert not call.begun
        call.capability = "talk"
        await pair.carry(call)
    assert heard.texts == [f"{number}" for number in range(9)]


async def test_a_conversation_that_was_cut_off_as_its_input_came_is_said_again() -> None:
    """Nobody had waited for that input to the end when the other node said that it would not begin."""
    came, said = asyncio.Event(), list[str]()

    class Inputs:
        """One, which comes when the test says so, and as often as it is waited for."""

        def __aiter__(self) -> Self:
            return self

        async def __anext__(self) -> Payload:
            await came.wait()
            if said:
                raise StopAsyncIteration
            said.append("first")
            return Payload("first", TEXT)

    heard = Heard()
    async with linked() as pair:
        call = asked("refuse", heard, unary=False, talks=True)
        call.requests = Inputs()
        with pytest.raises(MeshError, match="not here"):
            await pair.carry(call)
        came.set()
        call.capability = "talk"
        await pair.carry(call)
    assert heard.texts == ["first"]


async def test_a_conversation_of_which_much_was_said_has_begun() -> None:
    """Whatever the other node says: its inputs cannot be said again."""

    async def inputs() -> AsyncIterator[Payload]:
        while True:
            yield Payload("x" * 90_000, TEXT)

    async with linked() as pair:
        call = asked("overrun", Heard(), unary=False, talks=True)
        call.requests = inputs()
        with pytest.raises(MeshError, match="not here"):
            await pair.carry(call)
        assert call.begun


async def test_what_nobody_named_leaves_without_its_text() -> None:
    """As everywhere."""
    async with linked() as pair:
        with pytest.raises(InternalError) as failure:
            await pair.carry(asked("crash", Heard()))
        assert "hunter2" not in str(failure.value)


async def test_rules_hold_on_both_sides() -> None:
    """One answer to a unary call, no payload over the limit."""
    async with linked() as pair:
        with pytest.raises(AgentProtocol):
            await pair.carry(asked("twice", Heard()))
        with pytest.raises(PayloadTooLarge):
            await pair.carry(asked("say", Heard(), text="x" * 100_001))
        await pair.carry(asked("say", Heard()))


async def test_a_link_that_breaks_loses_its_calls_at_once() -> None:
    """Each by the name of its agent; part of the work may be done."""
    async with linked() as pair:
        calls = [asked("wait", Heard()) for _ in range(3)]
        tasks = [asyncio.create_task(pair.carry(call)) for call in calls]
        async with asyncio.timeout(PATIENCE):
            await pair.script.begun.wait()
            await pair.wire.back.put(None)
            lost = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(failure) for failure in lost] == [AgentLost] * 3
        assert all(call.begun for call in calls)
        assert pair.link.over
        with pytest.raises(NodeUnreachable):
            await pair.link.ready()


async def test_a_node_that_says_nothing_is_lost() -> None:
    """After it was asked whether it lives."""
    async with linked(replace(RULES, silence=0.02)) as pair:
        call = asked("wait", Heard())
        task = asyncio.create_task(pair.carry(call))
        async with asyncio.timeout(PATIENCE):
            await pair.script.begun.wait()
            while sum(frame.HasField("ping") for frame in pair.wire.written) < 3:  # noqa: ASYNC110 - time is the subject
                await asyncio.sleep(0.001)
            assert not task.done()  # it has answered them
            pair.wire.there = asyncio.Queue()  # from now on nothing gets there
            with pytest.raises(AgentLost):
                await task


async def test_another_node_at_the_same_address_gets_no_calls() -> None:
    """It says who it is first."""
    async with linked(node="three") as pair:
        with pytest.raises(NodeUnreachable):
            await pair.carry(asked("say", Heard()))
        assert pair.script.calls == []
        assert pair.opened == []


async def test_whoever_is_no_node_brings_no_calls() -> None:
    """Not even the developer."""
    arrivals = Arrivals("two", RULES)

    async def nothing(_: Call) -> None:
        """Never called."""

    arrivals.opens(nothing, nothing)
    wire = Wire()
    with pytest.raises(PermissionDenied):
        await arrivals.serve(wire.requests(), wire.answers(), Peer(Principal("person", "dev"), str, ()))
    assert wire.back.empty()


class Silence:
    """Streams that are silent when they are told to be."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        monkeypatch.setattr(arriving_module, "Doubt", self._doubt)

    def pass_by(self) -> None:
        """Have been silent for long."""
        self.now += SILENT

    def _doubt(self, ask: Callable[[int], None]) -> Doubt:
        return Doubt(ask, lambda: self.now)


async def test_after_a_silence_a_call_with_a_key_begins_once_its_node_says_that_it_stands(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It is asked, and answers by itself; without a key nobody asks."""
    silence = Silence(monkeypatch)
    async with linked() as pair:
        await pair.link.ready()
        silence.pass_by()
        await pair.carry(asked("say", Heard()))
        assert not any(frame.pong for frame in pair.wire.written)
        call = asked("say", heard := Heard())
        call.idempotency_key = "once"
        await pair.carry(call)
        assert heard.texts == ["hello"]
        assert [frame.pong for frame in pair.wire.written if frame.pong] == [1]


async def test_a_call_that_comes_late_with_its_end_behind_it_never_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its node stood still while it wrote; meanwhile somebody else has done the work."""
    silence = Silence(monkeypatch)
    wire, begun, nobody = Wire(), [], Peer(Principal("node", "one"), str, ())

    async def begin(call: Call) -> None:
        begun.append(call.id)

    arrivals = Arrivals("two", RULES)
    arrivals.opens(begin, begin)
    async with background(partial(arrivals.serve, wire.requests(), wire.answers(), nobody)), asyncio.timeout(PATIENCE):
        assert await wire.back.get() is not None  # the welcome
        silence.pass_by()
        for number, name in enumerate(("late", "right"), start=1):
            start = pb.LinkStart(call_id=name, unary=True, confirms=True)
            await wire.there.put(pb.LinkRequest(call=number, start=start))
        ping = await wire.back.get()
        assert ping is not None
        assert ping.ping == 1
        await wire.there.put(pb.LinkRequest(call=1, cancel=pb.LinkCancel()))
        await wire.there.put(pb.LinkRequest(pong=1))
        end = await wire.back.get()
        assert end is not None
        assert (end.call, end.WhichOneof("frame"), begun) == (2, "end", ["right"])
