"""One call at an attached agent: the rules of its frames."""

from __future__ import annotations

import asyncio

import pytest

from a2a_node.mesh.flight import Flight
from a2a_node.model.budget import Spending
from a2a_node.model.errors import AgentLost, AgentProtocol, MeshError
from a2amesh.v1 import agent_host_service_pb2 as pb
from a2amesh.v1 import agent_service_pb2, payload_pb2

AHEAD = 4
Frames = list[pb.AttachRequest]


def flight(*, streams: bool = False, inputs: int = 2, spending: Spending | None = None) -> Flight:
    """A call that has begun."""
    return Flight("a", spending, streams=streams, ahead=AHEAD, inputs=inputs)


def payload(text: str) -> payload_pb2.Payload:
    """Something said."""
    return payload_pb2.Payload(text=text)


def output(text: str) -> pb.AttachRequest:
    """A frame with an output."""
    return pb.AttachRequest(output=payload(text))


def end(text: str | None = None) -> pb.AttachRequest:
    """The end, with or without an output."""
    return pb.AttachRequest(end=pb.AttachEnd(output=None if text is None else payload(text)))


def fail(reason: str = "AGENT_REFUSED") -> pb.AttachRequest:
    """A failure."""
    return pb.AttachRequest(fail=agent_service_pb2.CallError(code="ABORTED", reason=reason, message="no"))


def hear(call: Flight, *frames: pb.AttachRequest) -> None:
    """Let the agent say something."""
    for frame in frames:
        call.hear(str(frame.WhichOneof("frame")), frame)


async def all_of(call: Flight) -> list[str]:
    """Every output, and `end`, or the reason of the failure."""
    said: list[str] = []
    try:
        while (message := await call.next()) is not None:
            said.append(message.text)
    except MeshError as failure:
        return [*said, failure.reason]
    return [*said, "end"]


@pytest.mark.parametrize(
    ("frames", "streams", "said"),
    [
        pytest.param([end("x")], False, ["x", "end"], id="an answer in one frame"),
        pytest.param([output("x"), end()], False, ["x", "end"], id="an answer in two frames"),
        pytest.param([fail()], False, ["AGENT_REFUSED"], id="a refusal"),
        pytest.param(
            [pb.AttachRequest(fail=agent_service_pb2.CallError())],
            False,
            ["INTERNAL"],
            id="a failure that says nothing",
        ),
        pytest.param([output("x"), output("y")], False, ["AGENT_PROTOCOL"], id="two outputs to a unary call"),
        pytest.param([output("x"), end("y")], False, ["AGENT_PROTOCOL"], id="an output and another in the end"),
        pytest.param([end()], False, ["AGENT_PROTOCOL"], id="no output to a unary call"),
        pytest.param([end("x"), end("y")], False, ["x", "end"], id="a second end means nothing"),
        pytest.param([end("x"), fail()], False, ["x", "end"], id="a failure after the end means nothing"),
        pytest.param([end()], True, ["end"], id="a stream may be empty"),
        pytest.param([output("x"), output("y"), end("z")], True, ["x", "y", "z", "end"], id="a stream"),
        pytest.param([output("x"), fail()], True, ["x", "AGENT_REFUSED"], id="what came before a failure is given"),
        pytest.param(
            [output("x")] * AHEAD + [end("y")], True, ["x"] * AHEAD + ["y", "end"], id="an end needs no credit"
        ),
        pytest.param([output("x")] * (AHEAD + 1), True, ["AGENT_PROTOCOL"], id="an output beyond its credit"),
    ],
)
async def test_what_an_agent_says_of_a_call(frames: Frames, streams: bool, said: list[str]) -> None:  # noqa: FBT001
    """Each story of a call and what its caller gets."""
    call = flight(streams=streams)
    hear(call, *frames)
    assert await all_of(call) == said


async def test_a_call_that_is_lost_fails_at_once() -> None:
    """Even when outputs wait that nobody has taken."""
    call = flight(streams=True)
    hear(call, output("x"))
    call.abort(AgentLost("a", "i1"))
    assert await all_of(call) == ["AGENT_LOST"]


async def test_a_call_that_waits_hears_of_its_loss() -> None:
    """Whoever waits for the next output is woken."""
    call = flight()
    waiting = asyncio.ensure_future(call.next())
    await asyncio.sleep(0)
    call.abort(AgentLost("a", "i1"))
    with pytest.raises(AgentLost):
        await waiting


async def test_an_agent_that_has_ended_a_call_need_not_be_told_to_stop() -> None:
    """One that broke the rules, or was lost, has not ended it."""
    ended, broken = flight(), flight()
    hear(ended, end("x"))
    hear(broken, output("x"), output("y"))
    assert (ended.finished, broken.finished) == (True, False)


async def test_credit_is_given_again_as_outputs_are_taken() -> None:
    """Half of what may be sent ahead at a time, and just as much as was taken."""
    call = flight(streams=True)
    for _ in range(5):
        hear(call, *[output("x")] * (AHEAD // 2))
        given = 0
        for _ in range(AHEAD // 2):
            await call.next()
            given += call.taken()
        assert given == AHEAD // 2


async def test_credit_is_not_given_for_a_call_that_has_ended_nor_for_one_output() -> None:
    """There is nothing to spend it on."""
    ended, unary = flight(streams=True), flight()
    hear(ended, *[output("x")] * AHEAD, end())
    hear(unary, end("x"))
    assert [ended.taken() for _ in range(AHEAD)] == [0] * AHEAD
    assert unary.taken() == 0


async def test_inputs_wait_for_the_credit_of_the_agent() -> None:
    """As many as hello allowed, then one for one."""
    call = flight(inputs=2)
    for _ in range(2):
        await call.allowed()
    third = asyncio.ensure_future(call.allowed())
    await asyncio.sleep(0)
    assert not third.done()
    hear(call, pb.AttachRequest(credit=1))
    await third


async def test_only_the_call_that_breaks_a_rule_is_told_which() -> None:
    """The failure names the agent and the rule."""
    call = flight()
    hear(call, output("x"), output("y"))
    with pytest.raises(AgentProtocol, match="'a' broke the protocol: it gave two outputs to a unary call"):
        await call.next()


def used(**units: int) -> pb.AttachRequest:
    """What the agent says that it has used."""
    return pb.AttachRequest(used=pb.AttachUsed(units=units))


async def test_what_an_agent_says_it_has_used_adds_up() -> None:
    """Until its end; without a budget it means nothing."""
    spending = Spending({"tokens": 100})
    for call in (flight(spending=spending), flight()):
        hear(call, used(tokens=20, cents=1), used(tokens=5), end("x"), used(tokens=7))
        assert await all_of(call) == ["x", "end"]
    assert spending.take() == {"tokens": 25}


async def test_nobody_uses_less_than_nothing() -> None:
    """Whoever says so breaks the rules."""
    call = flight(spending=Spending({"tokens": 100}))
    hear(call, used(tokens=-1), end("x"))
    assert await all_of(call) == ["AGENT_PROTOCOL"]
