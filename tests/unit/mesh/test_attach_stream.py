"""The stream of an attached agent, frame by frame."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from a2a_node.model.errors import AgentLost, CallIdTaken, InvalidInput, PayloadTooLarge
from a2a_node.model.payload import Payload
from a2amesh.v1 import agent_host_service_pb2 as pb
from a2amesh.v1 import payload_pb2
from tests.unit.mesh.attach_samples import LIMIT, RULES, Asked, Peer, attached, end, fail, output


async def started(peer: Peer, *ids: str, capability: str = "say") -> list[Asked]:
    """Calls that the agent has begun to work on."""
    calls = [Asked(peer, capability, call_id=call_id) for call_id in ids]
    for call_id in ids:
        assert (await peer.next("start")).call_id == call_id
    return calls


async def settled(peer: Peer) -> None:
    """Wait until the node has read all that the agent sent."""
    [probe] = await started(peer, "probe")
    peer.send(end("probe", "x"))
    await probe.outcome()


async def words(*said: str) -> AsyncIterator[Payload]:
    """Inputs."""
    for text in said:
        yield Payload(text, "text/plain")


async def test_a_call_tells_the_agent_all_it_needs() -> None:
    """What to do, for how long, and with which token others are called."""
    async with attached() as peer:
        call = Asked(peer)
        start = (await peer.next("start")).start
        assert (start.capability, start.input.data, start.call_token) == ("say", b'"x"', "t1")
        assert list(start.path) == ["root", "a"]
        assert 29 < start.time_left.seconds + start.time_left.nanos / 1e9 < 30
        peer.send(end("c1", "hello"))
        assert await call.outcome() == ["hello", "end"]


async def test_calls_are_answered_in_any_order() -> None:
    """Each with its own outcome."""
    async with attached() as peer:
        calls = await started(peer, "c1", "c2", "c3")
        peer.send(output("c2", "two"), end("c3", "three"), end("c2"), end("c1", "one"))
        assert [await call.outcome() for call in calls] == [["one", "end"], ["two", "end"], ["three", "end"]]


async def test_several_frames_may_come_in_one_message() -> None:
    """As if they had come one by one."""
    async with attached() as peer:
        calls = await started(peer, "c1", "c2")
        batch = pb.AttachRequestBatch(frames=[end("c1", "one"), end("c2", "two")])
        peer.send(pb.AttachRequest(batch=batch))
        assert [await call.outcome() for call in calls] == [["one", "end"], ["two", "end"]]


async def test_several_frames_go_in_one_message_to_those_who_read_it() -> None:
    """And only to those."""
    for reads_batches in (0, 1):
        async with attached(reads_batches=reads_batches) as peer:
            peer.reads.clear()
            calls = [Asked(peer, call_id=f"c{number}") for number in range(5)]
            await asyncio.sleep(0)
            peer.reads.set()
            sizes: list[int] = []
            while sum(sizes) < len(calls):
                frame = await peer.got.get()
                sizes.append(len(frame.batch.frames) or 1)
            assert (max(sizes) > 1) == bool(reads_batches)
            peer.hang_up()
            assert [await call.outcome() for call in calls] == [["AGENT_LOST"]] * 5


async def test_a_cancelled_call_is_cancelled_at_the_agent() -> None:
    """It need not answer; what it still sends is no fault, and the other calls go on."""
    async with attached() as peer:
        calls = await started(peer, "c1", "c2")
        with capture_logs() as logs:
            calls[0].task.cancel()
            assert (await peer.next("cancel")).call_id == "c1"
            peer.send(output("c1"), end("c1"), end("c2", "two"))
            assert await calls[1].outcome() == ["two", "end"]
        assert not logs


async def test_the_work_of_a_cancelled_call_is_over_when_the_agent_says_so() -> None:
    """By its end, however it ends; until then it lingers."""
    async with attached() as peer:
        calls = await started(peer, "c1", "c2")
        for number, last in enumerate((end("c1"), fail("c2"))):
            calls[number].task.cancel()
            await peer.next("cancel")
            [remains] = peer.lingering.of(f"c{number + 1}")
            assert (remains.agent, remains.instance) == ("a", peer.stream.guest.instance)
            peer.send(output(remains.id), last)
            assert await remains.heard()
        assert len(peer.lingering) == 0


async def test_of_a_stream_that_breaks_no_work_is_known_to_be_over() -> None:
    """Neither of calls that were cancelled before, nor of those that are cancelled with it."""
    async with attached() as peer:
        calls = await started(peer, "c1", "c2")
        calls[0].task.cancel()
        await peer.next("cancel")
        works = [*peer.lingering.of("c1")]
        followed = peer.lingering.follow("c2")
        peer.hang_up()
        await peer.ended.wait()
        calls[1].task.cancel()
        await asyncio.wait([calls[1].task])
        assert [await one.heard() for one in (*works, *followed)] == [False, False]
        assert len(peer.lingering) == 0


async def test_a_cancelled_call_that_was_never_started_is_not_told() -> None:
    """It waited for its turn."""
    async with attached(max_calls=1) as peer:
        [first] = await started(peer, "c1")
        waiting = Asked(peer, call_id="c2")
        await asyncio.sleep(0)
        waiting.task.cancel()
        peer.send(end("c1", "one"))
        assert await first.outcome() == ["one", "end"]
        await settled(peer)


async def test_an_agent_that_answers_twice_is_named_and_the_others_go_on() -> None:
    """In the call and after its end."""
    async with attached() as peer:
        calls = await started(peer, "c1", "c2", "c3")
        peer.send(output("c1"), output("c1"))
        assert await calls[0].outcome() == ["AGENT_PROTOCOL"]
        assert (await peer.next("cancel")).call_id == "c1"
        peer.send(end("c2", "two"))
        assert await calls[1].outcome() == ["two", "end"]
        with capture_logs() as logs:
            peer.send(end("c2", "again"), end("never", "x"), end("c3", "three"))
            assert await calls[2].outcome() == ["three", "end"]
        assert [(log["log_level"], log["call"]) for log in logs] == [("warning", "c2")]


async def test_outputs_beyond_the_credit_end_their_call_only() -> None:
    """A reader that is slow does not fill the node's memory."""
    async with attached() as peer:
        calls = await started(peer, "c1", "c2", capability="count")
        calls[0].reads.clear()
        peer.send(*[output("c1")] * (RULES.output_credit + 2), end("c2", "two"))
        assert await calls[1].outcome() == ["two", "end"]
        calls[0].reads.set()
        assert (await calls[0].outcome())[-1] == "AGENT_PROTOCOL"


async def test_credit_follows_the_reader() -> None:
    """Nothing while it reads nothing, half of what may be ahead once it has read that much."""
    async with attached() as peer:
        [call] = await started(peer, "c1", capability="count")
        call.reads.clear()
        peer.send(*[output("c1")] * RULES.output_credit)
        await settled(peer)
        call.reads.set()
        credits_ = [(await peer.next("credit")).credit for _ in range(2)]
        assert credits_ == [RULES.output_credit // 2] * 2
        peer.send(end("c1"))
        assert await call.outcome() == ["x"] * RULES.output_credit + ["end"]


async def test_inputs_wait_for_the_agent() -> None:
    """As many as it takes ahead, then one for one; then their end."""
    async with attached(input_credit=2) as peer:
        call = Asked(peer, "add", said=words("0", "1", "2", "3"))
        assert not (await peer.next("start")).start.HasField("input")
        assert [(await peer.next("input")).input.text for _ in range(2)] == ["0", "1"]
        await settled(peer)
        peer.send(pb.AttachRequest(call_id="c1", credit=5))
        assert [(await peer.next("input")).input.text for _ in range(2)] == ["2", "3"]
        await peer.next("input_end")
        peer.send(end("c1"))
        assert await call.outcome() == ["end"]


async def test_inputs_that_fail_fail_the_call() -> None:
    """And the agent is cancelled."""

    async def broken() -> AsyncIterator[Payload]:
        yield Payload("0", "text/plain")
        raise InvalidInput("input", "is broken")

    async with attached() as peer:
        call = Asked(peer, "add", said=broken())
        await peer.next("start")
        assert await call.outcome() == ["INVALID_INPUT"]
        await peer.next("input")
        await peer.next("cancel")


async def test_payloads_over_a_limit_name_both_numbers() -> None:
    """An input over the agent's own limit, and an output over the node's."""
    async with attached(payload_limit=4) as peer:
        with pytest.raises(PayloadTooLarge) as refused:
            await Asked(peer, said=words("hello")).task
        assert (refused.value.variables["size"], refused.value.variables["limit"]) == ("7", "4")
        await settled(peer)
    async with attached() as peer:
        [call] = await started(peer, "c1")
        peer.send(pb.AttachRequest(call_id="c1", output=payload_pb2.Payload(data=b"x" * (LIMIT + 1))))
        with pytest.raises(PayloadTooLarge) as refused:
            await call.task
        assert refused.value.variables["limit"] == str(LIMIT)
        await peer.next("cancel")


async def test_an_output_that_makes_no_sense_is_the_agents_fault() -> None:
    """Not the caller's."""
    async with attached() as peer:
        [call] = await started(peer, "c1")
        nonsense = payload_pb2.Payload(data=b"x", media_type="m" * 300)
        peer.send(pb.AttachRequest(call_id="c1", end=pb.AttachEnd(output=nonsense)))
        assert await call.outcome() == ["AGENT_PROTOCOL"]


@pytest.mark.parametrize(
    ("frame", "field"),
    [
        (pb.AttachRequest(hello=pb.AttachHello()), "hello"),
        (pb.AttachRequest(), "frame"),
        (pb.AttachRequest(batch=pb.AttachRequestBatch(frames=[pb.AttachRequest()])), "frame"),
        (
            pb.AttachRequest(batch=pb.AttachRequestBatch(frames=[pb.AttachRequest(batch=pb.AttachRequestBatch())])),
            "frame",
        ),
    ],
    ids=["a second hello", "nothing", "nothing in a batch", "a batch in a batch"],
)
async def test_frames_that_make_no_sense_end_the_stream(frame: pb.AttachRequest, field: str) -> None:
    """By field; all its calls are lost."""
    async with attached() as peer:
        [call] = await started(peer, "c1")
        peer.send(frame)
        assert await call.outcome() == ["AGENT_LOST"]
        await peer.ended.wait()
        assert isinstance(peer.failure, InvalidInput)
        assert peer.failure.violations[0][0] == field


async def test_a_stream_that_ends_fails_its_calls_at_once() -> None:
    """Those under way are lost; those that waited for their turn may go elsewhere."""
    async with attached(max_calls=1) as peer:
        [running] = await started(peer, "c1")
        waiting = Asked(peer, call_id="c2")
        await asyncio.sleep(0)
        assert (peer.stream.in_flight, peer.stream.occupancy) == (2, 2.0)
        peer.hang_up()
        assert [await running.outcome(), await waiting.outcome()] == [["AGENT_LOST"], ["NO_INSTANCE"]]
        assert (peer.stream.open, peer.stream.in_flight) == (False, 0)


async def test_an_agent_that_leaves_ends_what_it_has() -> None:
    """New calls go elsewhere at once; then the stream ends without a failure."""
    async with attached() as peer:
        [running] = await started(peer, "c1")
        leave = pb.AttachRequest(leave=pb.AttachLeave())
        peer.send(leave, leave, output("c1", "one"))
        async with asyncio.timeout(5):
            await running.answered.wait()
        assert (await Asked(peer, call_id="c2").outcome(), peer.left) == (
            ["NO_INSTANCE"],
            [peer.stream.guest.instance.id],
        )
        peer.send(end("c1"))
        assert await running.outcome() == ["one", "end"]
        await peer.ended.wait()
        assert peer.failure is None


async def test_an_idle_agent_that_leaves_is_gone_at_once() -> None:
    """There is nothing to wait for."""
    async with attached() as peer:
        peer.send(pb.AttachRequest(leave=pb.AttachLeave()))
        async with asyncio.timeout(5):
            await peer.ended.wait()


async def test_a_call_of_the_same_id_is_refused_while_the_agent_may_still_speak_of_it() -> None:
    """Under way, or cancelled and not heard of since."""
    async with attached() as peer:
        [call] = await started(peer, "c1")
        with pytest.raises(CallIdTaken):
            await Asked(peer, call_id="c1").task
        call.task.cancel()
        await peer.next("cancel")
        with pytest.raises(CallIdTaken):
            await Asked(peer, call_id="c1").task
        peer.send(end("c1"))
        await settled(peer)
        await started(peer, "c1")


async def test_a_silent_agent_is_asked_and_lost_when_it_does_not_answer() -> None:
    """Its calls are lost with it."""
    async with attached(replace(RULES, silence=0.02)) as peer:
        [call] = await started(peer, "c1")
        peer.send(pb.AttachRequest(pong=(await peer.next("ping")).ping))
        await peer.next("ping")
        assert await call.outcome() == ["AGENT_LOST"]
        await peer.ended.wait()
        assert isinstance(peer.failure, AgentLost)


async def test_an_agent_that_asks_whether_its_calls_stand_is_answered() -> None:
    """Behind the end of what does not; and those with a key say that it may ask."""
    async with attached() as peer:
        keyed = Asked(peer, call_id="c1")
        keyed.call.idempotency_key = "once"
        plain = Asked(peer, call_id="c2")
        assert [(await peer.next("start")).start.confirms for _ in range(2)] == [True, False]
        keyed.task.cancel()
        peer.send(pb.AttachRequest(ping=7))
        assert (await peer.next("cancel")).call_id == "c1"
        assert (await peer.next("pong")).pong == 7
        assert not plain.task.done()


async def test_an_agent_that_reads_nothing_is_lost() -> None:
    """What waits for it is bounded: whoever calls it waits as well."""
    async with attached(replace(RULES, silence=0.02)) as peer:
        peer.reads.clear()
        calls = [Asked(peer, call_id=f"c{number}") for number in range(200)]
        outcomes = [await call.outcome() for call in calls]
        assert outcomes == [["AGENT_LOST"]] * 200
        await peer.ended.wait()
        assert isinstance(peer.failure, AgentLost)


async def test_a_node_that_drains_says_so() -> None:
    """The agent is still called by those under way."""
    async with attached() as peer:
        peer.stream.drain()
        await peer.next("draining")
        [call] = await started(peer, "c1")
        peer.send(end("c1", "one"))
        assert await call.outcome() == ["one", "end"]
