"""The agent that a fresh node hosts."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs

from a2a_node.agent import AgentRefused, Context, Payload
from a2a_node.model.errors import AgentFailed, InvalidInput
from a2a_node.ops.echo import agent
from tests.unit.agent.asking import inputs, words


async def asked(capability: str, said: Payload) -> list[Payload]:
    """What the agent answers."""
    answers: list[Payload] = []

    async def reply(payload: Payload) -> None:
        answers.append(payload)

    await agent.serve(capability, Context("c1", "echo"), inputs(said), reply)
    return answers


def test_it_introduces_itself() -> None:
    """Three capabilities, every field of which is described."""
    descriptor = agent.descriptor
    assert descriptor.name == "echo"
    assert [capability.name for capability in descriptor.capabilities] == ["say", "count", "fail"]
    for capability in descriptor.capabilities:
        assert capability.description
        properties = capability.input_schema["properties"]
        assert isinstance(properties, Mapping)
        assert all(field["description"] for field in properties.values())


@pytest.mark.parametrize("payload", [Payload(b'{"text":"hello"}'), Payload({"text": "hello"}), words("hello")])
async def test_say_answers_its_input(payload: Payload) -> None:
    """In the encoding that it came in."""
    assert await asked("say", payload) == [payload]


async def test_count_streams_numbers() -> None:
    """From 1, as many as asked for."""
    assert await asked("count", Payload({"n": 3})) == [Payload({"number": number}) for number in (1, 2, 3)]
    assert await asked("count", Payload({"n": 0})) == []


async def test_count_waits_between_two_numbers() -> None:
    """The first comes at once, and a cancelled call waits no longer."""
    answers: asyncio.Queue[Payload] = asyncio.Queue()
    said = inputs(Payload({"n": 2, "delay_ms": 60_000}))
    task = asyncio.create_task(agent.serve("count", Context("c1", "echo"), said, answers.put))
    assert await asyncio.wait_for(answers.get(), 5) == Payload({"number": 1})
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert answers.empty()


@pytest.mark.parametrize(
    ("said", "field"),
    [({"n": 100_001}, "input.n"), ({"n": -1}, "input.n"), ({"delay_ms": 60_001}, "input.delay_ms")],
)
async def test_count_has_bounds(said: Mapping[str, object], field: str) -> None:
    """The field over them is named."""
    with pytest.raises(InvalidInput) as refused:
        await asked("count", Payload(said))
    assert refused.value.variables["field"] == field


async def test_fail_fails_as_asked() -> None:
    """With the code, the reason and the message asked for."""
    with pytest.raises(AgentRefused, match="not today") as refused:
        await asked("fail", Payload({"code": "OUT_OF_RANGE", "reason": "TOO_FAR", "message": "not today"}))
    assert (refused.value.code, refused.value.reason) == ("OUT_OF_RANGE", "TOO_FAR")


async def test_fail_fails_without_being_told_how() -> None:
    """As an agent that refuses."""
    with pytest.raises(AgentRefused) as refused:
        await asked("fail", Payload({}))
    assert (refused.value.code, refused.value.reason) == ("FAILED_PRECONDITION", "AGENT_REFUSED")


@pytest.mark.parametrize("said", [{"code": "OK"}, {"code": "SOMETIMES"}, {"reason": "why not"}])
async def test_fail_knows_only_codes_and_reasons_that_errors_can_have(said: Mapping[str, object]) -> None:
    """Others are refused as bad input."""
    with pytest.raises(InvalidInput):
        await asked("fail", Payload(said))


async def test_fail_can_crash() -> None:
    """As an agent with a mistake in it."""
    with capture_logs(), pytest.raises(AgentFailed):
        await asked("fail", Payload({"crash": True}))
