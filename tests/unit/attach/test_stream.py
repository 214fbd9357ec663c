"""One Attach stream as the agent has it: what it answers to which frames."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.attach import stream as stream_module
from a2a_node.attach.host import Options, Place
from a2a_node.wire.awake import Awake
from a2a_node.wire.doubt import SILENT, Doubt
from a2a_node.wire.payloads import from_mapping
from a2amesh.v1 import agent_host_service_pb2 as pb
from tests.unit.attach.samples import CREDIT, OPTIONS, attached, noted


async def test_a_unary_call_is_answered_in_one_frame() -> None:
    """Its output and its end."""
    async with attached() as (node, _):
        node.start("c1", "say", '{"text": "hello"}')
        frame = await node.next("end")
        assert (frame.call_id, frame.end.output.data) == ("c1", b'{"text":"hello"}')


async def test_an_agent_knows_its_call() -> None:
    """Where it comes from, how long it may take, with which token others are called; and how it is configured."""
    async with attached() as (node, _):
        node.send(welcome=pb.AttachWelcome(agent_config=from_mapping({"own": False})))
        start = pb.AttachStart(capability="say", path=["root", "worker"], call_token="t1")
        start.input.data, start.time_left.seconds = b'{"text": "x"}', 30
        node.send("c1", start=start)
        await node.next("end")
        [context] = noted.contexts
        assert (context.call_id, context.path, context.token) == ("c1", ("root", "worker"), "t1")
        assert 29 < context.time_left() <= 30
        assert context.config == {"own": False}


@pytest.mark.parametrize(("fails", "ends"), [("false", "end"), ("true", "fail")])
async def test_what_an_agent_spends_is_told_before_its_end(fails: str, ends: str) -> None:
    """In one frame where it is spent at once; and of a call without a budget nothing is told."""
    async with attached() as (node, _):
        start = pb.AttachStart(capability="spend", budget={"tokens": 100})
        start.input.data = b'{"tokens": [30, 12], "fails": %s}' % fails.encode()
        node.send("c1", start=start)
        assert dict((await node.next("used")).used.units) == {"tokens": 42}
        frame = await node.next(ends)
        assert frame.call_id == "c1"
        assert ends == "fail" or frame.end.output.data == b'{"tokens":58}'
        node.start("c2", "spend", '{"tokens": [30]}')
        assert (await node.next("end")).end.output.data == b"{}"


async def test_a_stream_goes_as_far_as_its_credit() -> None:
    """And on, when it gets more; the end needs none."""
    async with attached() as (node, _):
        node.start("c1", "count", '{"to": 5}')
        for _ in range(CREDIT):
            await node.next("output")
        node.send(ping=1)
        await node.next("pong")
        node.send("c1", credit=2)
        last = [(await node.next("output")).output.data for _ in range(2)][-1]
        assert last == b'{"result":5}'
        assert not (await node.next("end")).end.HasField("output")


async def test_credit_for_inputs_follows_the_agent() -> None:
    """Half of what may come ahead at a time."""
    async with attached() as (node, _):
        node.start("c1", "add")
        for number in (1, 2, 3):
            node.item("c1", number)
            await node.next("output")
            node.send("c1", credit=1)
            if number == OPTIONS.input_credit // 2:
                assert (await node.next("credit")).credit == 2
        node.send("c1", input_end=pb.AttachInputEnd())
        await node.next("end")


async def test_a_node_that_sends_more_than_allowed_is_left() -> None:
    """What waits for the agent stays bounded."""
    async with attached() as (node, _):
        node.start("c1", "hear")
        for number in range(OPTIONS.input_credit + 2):
            node.item("c1", number)
        await node.ended.wait()
        assert node.failure is not None
        assert node.failure.reason == "INVALID_INPUT"


@pytest.mark.parametrize(
    ("capability", "said", "code", "reason"),
    [
        ("refuse", "{}", "ABORTED", "TOO_LATE"),
        ("say", '{"words": 1}', "INVALID_ARGUMENT", "INVALID_INPUT"),
        ("sing", "{}", "NOT_FOUND", "CAPABILITY_NOT_FOUND"),
        ("give_up", "{}", "INTERNAL", "AGENT_FAILED"),
        ("say", '{"text": "%s"}' % ("x" * 1000), "RESOURCE_EXHAUSTED", "PAYLOAD_TOO_LARGE"),
    ],
)
async def test_a_call_that_fails_says_why(capability: str, said: str, code: str, reason: str) -> None:
    """And the others go on."""
    async with attached() as (node, _):
        node.start("c1", capability, said)
        failed = await node.next("fail")
        assert (failed.call_id, failed.fail.code, failed.fail.reason) == ("c1", code, reason)
        node.start("c2", "say", '{"text": "x"}')
        await node.next("end")


async def test_a_cancelled_call_says_that_it_has_stopped() -> None:
    """Once it has, and not before."""
    async with attached() as (node, _):
        node.start("c1", "wait", "{}")
        await noted.begun.wait()
        node.send("c1", cancel=pb.AttachCancel())
        said = await node.next("fail")
        assert (said.call_id, said.fail.code) == ("c1", "CANCELLED")
        assert noted.ended.is_set()


async def test_a_cancelled_call_that_cleans_up_says_so_afterwards() -> None:
    """Also when it takes its time, or a thread goes on that nobody can cancel."""
    async with attached() as (node, _):
        for call_id, capability, ended in (("c1", "clean_up", noted.clean.set), ("c2", "compute", noted.computed.set)):
            noted.begun.clear()
            node.start(call_id, capability, "{}")
            await noted.begun.wait()
            node.send(call_id, cancel=pb.AttachCancel())
            node.send(ping=7)
            await node.next("pong")
            ended()
            said = await node.next("fail")
            assert (said.call_id, said.fail.code) == (call_id, "CANCELLED")


async def test_a_call_that_swallows_its_cancellation_ends_when_it_ends() -> None:
    """By its own end, which the node takes for its word."""
    async with attached() as (node, _):
        node.start("c1", "carry_on", "{}")
        await noted.begun.wait()
        node.send("c1", cancel=pb.AttachCancel())
        node.send(ping=7)
        await node.next("pong")
        noted.clean.set()
        assert (await node.next("end")).call_id == "c1"


async def test_calls_end_with_their_stream() -> None:
    """Nothing works on for nobody."""
    async with attached() as (node, _):
        node.start("c1", "wait", "{}")
        await noted.begun.wait()
        node.said.put_nowait(None)
        await node.ended.wait()
        assert noted.ended.is_set()
        assert node.failure is None


async def test_more_calls_than_were_agreed_are_refused() -> None:
    """Twice as many: those that were cancelled may still be unwinding."""
    async with attached() as (node, _):
        for number in range(2 * OPTIONS.max_calls + 1):
            node.start(f"c{number}", "wait", "{}")
        failed = await node.next("fail")
        assert (failed.call_id, failed.fail.reason) == ("c4", "AGENT_OVERLOADED")


async def test_frames_that_an_agent_does_not_know_are_let_pass() -> None:
    """So that newer nodes can say more; and so are frames of calls that have ended."""
    async with attached() as (node, _):
        node.send()
        node.send("gone", cancel=pb.AttachCancel())
        node.send("gone", credit=3)
        node.send(draining=pb.AttachDraining())
        batch = [pb.AttachResponse(), pb.AttachResponse(ping=3)]
        node.send(batch=pb.AttachResponseBatch(frames=batch))
        assert (await node.next("pong")).pong == 3


async def test_a_silent_node_is_taken_for_lost() -> None:
    """One that lives says something every now and then."""
    async with attached(Options(silence=0.02)) as (node, _):
        await node.ended.wait()
        assert node.failure is not None
        assert node.failure.reason == "NODE_UNREACHABLE"


async def test_an_agent_that_stood_still_begins_no_call_that_was_cancelled_meanwhile() -> None:
    """What waits to be read is old: the end of a call may be in it, too."""
    now = 0.0
    async with attached(awake=Awake(lambda: now)) as (node, _):
        now += 60.0
        node.start("c2", "say", '{"text": "x"}')
        for _ in range(10):
            await asyncio.sleep(0)
        node.send("c2", cancel=pb.AttachCancel())
        assert (await node.next("fail")).call_id == "c2"
        now += 0.1
        node.start("c3", "say", '{"text": "y"}')
        assert (await node.next("end")).call_id == "c3"
        assert [context.call_id for context in noted.contexts] == ["c3"]


async def test_after_a_silence_the_node_is_asked_whether_a_call_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only of calls that say so; one whose end came before the answer never begins."""
    now = 0.0
    monkeypatch.setattr(stream_module, "Doubt", lambda ask: Doubt(ask, lambda: now))
    async with attached() as (node, _):
        now += SILENT
        node.start("c1", "say", '{"text": "x"}')
        await node.next("end")
        for call_id in ("c2", "c3"):
            start = pb.AttachStart(capability="say", confirms=True)
            start.input.data = b'{"text": "x"}'
            node.send(call_id, start=start)
        asked = (await node.next("ping")).ping
        node.send("c2", cancel=pb.AttachCancel())
        node.send(pong=asked)
        assert (await node.next("fail")).call_id == "c2"
        assert (await node.next("end")).call_id == "c3"
        assert [context.call_id for context in noted.contexts] == ["c1", "c3"]


async def test_an_agent_that_leaves_says_so_once() -> None:
    """And serves what comes until the node closes the stream."""
    async with attached() as (node, stream):
        node.send(ping=1)
        await node.next("pong")
        stream.leave()
        stream.leave()
        await node.next("leave")
        node.start("c1", "say", '{"text": "x"}')
        await node.next("end")
        assert node.places == [Place("n1", "i1")]


async def test_an_agent_that_is_not_welcome_yet_leaves_at_once() -> None:
    """It has no calls to end."""
    async with attached(welcome=False) as (node, stream):
        stream.leave()
        await node.ended.wait()
        assert node.heard.empty()
