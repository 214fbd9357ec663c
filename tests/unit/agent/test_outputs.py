"""Results to payloads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated

import pytest
from pydantic import BaseModel, Field
from structlog.testing import capture_logs
from typing_extensions import TypedDict

from a2a_node.agent import Agent, Payload
from a2a_node.model.errors import AgentFailed
from tests.unit.agent.asking import asked, words


class Greeting(BaseModel):
    """What is said."""

    text: str


class Parting(BaseModel):
    """What is said last."""

    until: date


class Box(TypedDict):
    """Something in a box."""

    inside: int


@dataclass
class Ring:
    """Something round."""

    size: int


class Loud(BaseModel):
    """A model whose fields have other names outside."""

    volume: Annotated[int, Field(alias="loudness")]


def giving(kind: object, value: object) -> Agent:
    """An agent whose only capability says that it answers `kind`, and answers `value`."""

    async def give() -> object:
        return value

    give.__annotations__["return"] = kind
    agent = Agent("giver")
    agent.capability(give)
    return agent


@pytest.mark.parametrize(
    ("kind", "value", "answer"),
    [
        (Greeting, Greeting(text="hi"), {"text": "hi"}),
        (Greeting | Parting, Parting(until=date(2026, 1, 2)), {"until": "2026-01-02"}),
        (Box, {"inside": 1}, {"inside": 1}),
        (Ring, Ring(2), {"size": 2}),
        (dict[str, int], {"a": 1}, {"a": 1}),
        (Loud, Loud.model_validate({"loudness": 11}), {"loudness": 11}),
    ],
)
async def test_an_object_is_answered_as_it_is(kind: object, value: object, answer: dict[str, object]) -> None:
    """Models, dataclasses, typed and plain dicts; the schema is the object's own."""
    agent = giving(kind, value)
    assert await asked(agent, Payload({})) == [Payload(answer)]
    assert "result" not in str(agent.descriptor.capability("").output_schema)


@pytest.mark.parametrize(
    ("kind", "value", "answer"),
    [
        (int, 5, 5),
        (str, "hi", "hi"),
        (None, None, None),
        (list[Greeting], [Greeting(text="hi")], [{"text": "hi"}]),
        (Greeting | None, Greeting(text="hi"), {"text": "hi"}),
        (date, date(2026, 1, 2), "2026-01-02"),
        (list[bytes], [b"\xff"], ["_w=="]),
    ],
)
async def test_what_is_no_object_is_wrapped(kind: object, value: object, answer: object) -> None:
    """By its type, so that callers never wonder; the schema says it."""
    agent = giving(kind, value)
    assert await asked(agent, Payload({})) == [Payload({"result": answer})]
    schema = agent.descriptor.capability("").output_schema
    assert (schema["type"], schema["required"]) == ("object", ["result"])


@pytest.mark.parametrize(("value", "answer"), [({"a": 1}, {"a": 1}), ([1], {"result": [1]}), (None, {"result": None})])
async def test_where_the_type_says_nothing_the_value_decides(value: object, answer: dict[str, object]) -> None:
    """An object stays one, all else is wrapped; the schema allows any object."""
    agent = giving(object, value)
    assert await asked(agent, Payload({})) == [Payload(answer)]
    assert agent.descriptor.capability("").output_schema == {"type": "object"}


async def test_an_answer_has_the_encoding_of_the_question() -> None:
    """JSON bytes for JSON bytes, a struct for a struct."""
    agent = giving(Greeting, Greeting(text="hi"))
    assert await asked(agent, Payload(b"{}")) == [Payload(b'{"text":"hi"}')]
    assert await asked(agent, Payload({})) == [Payload({"text": "hi"})]


async def same(text: str) -> str:
    """Say it again."""
    return text


async def greeted(text: str) -> Greeting:
    """Say it as an object of one string."""
    return Greeting(text=text)


async def perhaps(text: str) -> str | None:
    """Say it again, or nothing."""
    return text or None


@pytest.mark.parametrize("function", [same, greeted, perhaps])
async def test_a_text_is_answered_by_a_text(function: Callable[..., object]) -> None:
    """When the result is a string, or an object of one string."""
    agent = Agent("a")
    agent.capability(function)
    assert await asked(agent, words("hi")) == [words("hi")]


async def test_a_text_is_answered_by_json_where_the_result_is_no_string() -> None:
    """Rather than by Python's idea of a text."""

    async def size(text: str) -> int:
        return len(text)

    agent = Agent("a")
    agent.capability(size)
    agent.capability(perhaps)
    assert [answer.body for answer in await asked(only(size), words("hi"))] == [b'{"result":2}']
    assert [answer.body for answer in await asked(only(perhaps), words(""))] == [b'{"result":null}']


def only(function: Callable[..., object]) -> Agent:
    """An agent with that capability."""
    agent = Agent("a")
    agent.capability(function)
    return agent


async def test_bytes_and_payloads_are_answered_as_they_are() -> None:
    """Bytes of no particular media type, a Payload with its own; their schema allows anything."""
    picture = Payload(b"\x89PNG", "image/png")
    assert await asked(giving(bytes, b"\x00")) == [Payload(b"\x00", "application/octet-stream")]
    assert await asked(giving(Payload, picture)) == [picture]
    assert giving(Payload, picture).descriptor.capability("").output_schema == {}


@pytest.mark.parametrize(
    ("kind", "value", "answer"),
    [(Greeting, {"text": "hi"}, {"text": "hi"}), (list[int], (1, 2), {"result": [1, 2]}), (float, 1, {"result": 1.0})],
)
async def test_what_fits_the_type_is_as_good_as_the_type(
    kind: object, value: object, answer: dict[str, object]
) -> None:
    """A dict for a model, a tuple for a list."""
    assert await asked(giving(kind, value), Payload({})) == [Payload(answer)]


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (Greeting, {"text": 5}),
        (int, "a secret"),
        (object, object()),
        (list[int], None),
        (Greeting, None),
        (bytes, "a secret"),
        (Payload, b""),
    ],
)
async def test_an_answer_that_breaks_its_own_type_fails(kind: object, value: object) -> None:
    """The agent is at fault, not the caller; what it answered is in no log."""
    with capture_logs() as logs, pytest.raises(AgentFailed):
        await asked(giving(kind, value), Payload({}))
    assert [entry["event"] for entry in logs] == ["agent failed"]
    assert "secret" not in str(logs)


async def test_streamed_results_are_wrapped_one_by_one() -> None:
    """Each is an answer of its own."""

    async def count(n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number

    answers = await asked(only(count), Payload(b'{"n": 2}'))
    assert answers == [Payload(b'{"result":0}'), Payload(b'{"result":1}')]


async def test_subclasses_give_away_no_more_than_the_type_says() -> None:
    """Fields that the return type does not have stay inside."""

    class Private(Greeting):
        secret: str = "s"

    assert await asked(giving(Greeting, Private(text="hi")), Payload({})) == [Payload({"text": "hi"})]
