"""Payloads to arguments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Annotated

import orjson
import pytest
from pydantic import BaseModel, Field, field_validator

from a2a_node.agent import Agent, Payload
from a2a_node.model.errors import InvalidInput
from tests.unit.agent.asking import asked, faults, words


class Colour(StrEnum):
    """A colour."""

    RED = "red"


class Point(BaseModel):
    """A place."""

    x: int
    y: int = 0

    @field_validator("x")
    @classmethod
    def near(cls, x: int) -> int:
        """Refuse what is far."""
        if x > 100:
            raise ValueError("is too far away")
        return x


@dataclass
class Pair:
    """Two points."""

    left: Point
    right: Point


def agent_of(function: Callable[..., object]) -> Agent:
    """An agent with that capability."""
    agent = Agent("a")
    agent.capability(function)
    return agent


async def described(text: str, number: int = 3) -> str:
    """Say what came."""
    return f"{text} {number}"


async def drawn(points: list[Point]) -> int:
    """Count the points."""
    return len(points)


async def kinds(day: date, colour: Colour, pair: Pair, data: bytes, ratio: float = 1.0) -> str:
    """Say what came, in Python's words."""
    return repr((day, colour, pair, data, ratio))


async def total(numbers: AsyncIterator[int]) -> int:
    """Add them."""
    return sum([number async for number in numbers])


async def path(points: AsyncIterator[Point]) -> list[int]:
    """Take one part of each."""
    return [point.x async for point in points]


async def measured(data: bytes, unit: str = "byte") -> str:
    """Say how much came."""
    return f"{len(data)} {unit}"


async def relayed(payload: Payload) -> str:
    """Say what came, unread."""
    return f"{payload.media_type} {payload.body!r}"


async def nothing() -> str:
    """Take nothing."""
    return "done"


async def test_json_bytes_become_arguments() -> None:
    """Defaults fill what is absent."""
    answers = await asked(agent_of(described), Payload(b'{"text": "hi"}'))
    assert answers == [Payload(b'{"result":"hi 3"}')]


@pytest.mark.parametrize(
    "media_type", ["application/json; charset=utf-8", "application/vnd.note+json", "APPLICATION/JSON"]
)
async def test_all_media_types_of_json_are_json(media_type: str) -> None:
    """Parameters, suffixes and case make no difference."""
    answers = await asked(agent_of(described), Payload(b'{"text": "hi"}', media_type))
    assert answers == [Payload(b'{"result":"hi 3"}')]


async def test_a_struct_becomes_arguments() -> None:
    """Just as the same JSON in bytes would."""
    answers = await asked(agent_of(described), Payload({"text": "hi", "number": 4}))
    assert answers == [Payload({"result": "hi 4"})]


async def test_every_type_means_the_same_in_bytes_and_in_a_struct() -> None:
    """Dates, enums, nested objects and base64 among them."""
    said = {
        "day": "2026-01-02",
        "colour": "red",
        "pair": {"left": {"x": 1}, "right": {"x": 2}},
        "data": "aGk=",
        "ratio": 2,
    }
    in_bytes = await asked(agent_of(kinds), Payload(orjson.dumps(said)))
    in_struct = await asked(agent_of(kinds), Payload(said))
    assert isinstance(in_bytes[0].body, bytes)
    assert orjson.loads(in_bytes[0].body) == in_struct[0].body
    assert "datetime.date(2026, 1, 2)" in str(in_struct[0].body)
    assert "b'hi', 2.0" in str(in_struct[0].body)


async def test_a_large_number_in_a_struct_is_no_problem() -> None:
    """A Struct's whole doubles may be wider than 64 bits."""

    async def same(number: float) -> float:
        return number

    assert await asked(agent_of(same), Payload({"number": int(1e300)})) == [Payload({"result": 1e300})]


async def test_a_text_fills_the_only_string() -> None:
    """Whatever else has a default keeps it."""
    assert await asked(agent_of(described), words("hi")) == [words("hi 3")]


async def test_bytes_that_are_no_json_fill_the_only_bytes() -> None:
    """A string beside it makes no difference."""
    assert await asked(agent_of(measured), Payload(b"\xff\x00", "image/png")) == [Payload(b'{"result":"2 byte"}')]


@pytest.mark.parametrize("payload", [words("hi"), Payload(b"\xff", "image/png")])
async def test_what_fits_no_single_parameter_is_refused(payload: Payload) -> None:
    """A text without the one string, bytes without the one `bytes`: the answer says what to send."""
    problem = (await faults(agent_of(drawn), payload))["input"]
    assert "only fits a capability that takes one" in problem
    assert "send JSON" in problem


async def test_two_strings_take_no_text() -> None:
    """It is not clear which one would be meant."""

    async def joined(one: str, two: str = "") -> str:
        return one + two

    assert "takes one string" in (await faults(agent_of(joined), words("hi")))["input"]


async def test_a_text_that_breaks_a_rule_names_the_parameter() -> None:
    """As if it had come in an object."""

    async def short(text: Annotated[str, Field(max_length=2)]) -> str:
        return text

    assert await faults(agent_of(short), words("long")) == {"input.text": "String should have at most 2 characters"}


@pytest.mark.parametrize("payload", [Payload(b""), Payload({}), Payload(b"{}")])
async def test_a_function_that_takes_nothing_is_called_with_an_empty_input(payload: Payload) -> None:
    """In every encoding."""
    assert len(await asked(agent_of(nothing), payload)) == 1


@pytest.mark.parametrize("encoded", [orjson.dumps, lambda said: said])
async def test_a_violation_names_its_field(encoded: Callable[[object], bytes]) -> None:
    """By its path from the input, every one of them."""
    said = {"text": 5, "number": "many", "more": 1}
    found = await faults(agent_of(described), Payload(encoded(said)))
    assert list(found) == ["input.text", "input.number", "input.more"]
    assert found["input.text"] == "Input should be a valid string"


async def test_a_violation_names_its_place_in_lists_and_objects() -> None:
    """With indices, and in the words of the author's own check."""
    found = await faults(agent_of(drawn), Payload(b'{"points": [{"x": 1}, {"x": 1000}, {"y": 1}]}'))
    assert found == {"input.points[1].x": "Value error, is too far away", "input.points[2].x": "Field required"}


async def test_a_missing_field_is_named() -> None:
    """It is required."""
    assert await faults(agent_of(described), Payload(b"{}")) == {"input.text": "Field required"}


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"[1]", b"null", b'"text"'])
async def test_what_is_no_json_object_is_refused(body: bytes) -> None:
    """The input itself is at fault."""
    assert list(await faults(agent_of(described), Payload(body))) == ["input"]


async def test_at_most_twenty_violations_are_told() -> None:
    """The first ones."""
    found = await faults(agent_of(drawn), Payload({"points": [{}] * 50}))
    assert next(iter(found)) == "input.points[0].x"
    assert len(found) == 20


async def test_a_flood_of_violations_is_counted_rather_than_listed() -> None:
    """Listing them would take the loop's time."""
    found = await faults(agent_of(drawn), Payload({"points": [{}] * 1001}))
    assert list(found) == ["input"]
    assert "1001 faults" in found["input"]


async def test_the_value_at_fault_is_not_repeated() -> None:
    """An error may travel further than the input may."""
    with pytest.raises(InvalidInput) as refused:
        await asked(agent_of(described), Payload({"text": "x", "number": "a secret"}))
    assert "secret" not in str(refused.value.violations) + str(refused.value)
    assert refused.value.__cause__ is None


async def test_parameters_may_have_names_that_pydantic_keeps_for_itself() -> None:
    """`json`, `copy` and names with an underscore before them."""

    async def odd(json: int, copy: str, model_config: int, _own: int = 1) -> str:
        return f"{json} {copy} {model_config} {_own}"

    said = Payload({"json": 1, "copy": "c", "model_config": 2, "_own": 3})
    assert await asked(agent_of(odd), said) == [Payload({"result": "1 c 2 3"})]


async def test_a_parameter_may_have_another_name_outside() -> None:
    """For words that Python keeps for itself."""

    async def moved(source: Annotated[str, Field(alias="from")]) -> str:
        return source

    agent = agent_of(moved)
    assert agent.descriptor.capability("").input_schema["required"] == ["from"]
    assert await asked(agent, Payload({"from": "here"})) == [Payload({"result": "here"})]
    assert await asked(agent, words("here")) == [words("here")]


async def test_parameters_without_hints_take_anything() -> None:
    """Their schema allows any value."""

    async def anything(value):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202 - that is the fact under test
        return value

    assert await asked(agent_of(anything), Payload({"value": [1, "a"]})) == [Payload({"result": [1, "a"]})]


async def test_mutable_defaults_are_not_shared_by_calls() -> None:
    """Every call gets its own."""

    async def grown(words: list[str] = []) -> int:  # noqa: B006 - that is the fact under test
        words.append("x")
        return len(words)

    agent = agent_of(grown)
    assert await asked(agent) == await asked(agent) == [Payload({"result": 1})]


async def test_a_payload_is_handed_on_as_it_is() -> None:
    """When the only parameter asks for it."""
    agent = agent_of(relayed)
    assert agent.descriptor.capability("").input_schema == {}
    assert await asked(agent, Payload(b"\x00", "image/png")) == [Payload(b'{"result":"image/png b\'\\\\x00\'"}')]


async def test_streamed_objects_are_inputs_themselves() -> None:
    """Each is validated as it comes."""
    answers = await asked(agent_of(path), Payload(b'{"x": 1}'), Payload({"x": 2}))
    assert answers == [Payload(b'{"result":[1,2]}')]


async def test_streamed_values_are_the_item_of_an_object() -> None:
    """Because an input is always an object; a text is an item when items are texts."""
    agent = agent_of(total)
    assert agent.descriptor.capability("").input_schema["required"] == ["item"]
    assert await asked(agent, Payload({"item": 1}), Payload(b'{"item": 2}')) == [Payload({"result": 3})]

    async def joined(texts: AsyncIterator[str]) -> str:
        return " ".join([text async for text in texts])

    assert await asked(agent_of(joined), words("one"), words("two")) == [words("one two")]


async def test_payloads_can_be_streamed_in() -> None:
    """Unread."""

    async def count(payloads: AsyncIterator[Payload]) -> int:
        return len([payload async for payload in payloads])

    assert await asked(agent_of(count), words("a"), Payload(b"\x00", "x/y")) == [Payload(b'{"result":2}')]


@pytest.mark.parametrize(("function", "field"), [(total, "input.item"), (path, "input.x")])
async def test_a_streamed_violation_names_its_field(function: Callable[..., object], field: str) -> None:
    """Where it comes, after good ones."""
    good = {"item": 1} if function is total else {"x": 1}
    bad = {"item": "a"} if function is total else {"x": "a"}
    with pytest.raises(InvalidInput) as refused:
        await asked(agent_of(function), Payload(good), Payload(bad))
    assert refused.value.variables["field"] == field


async def test_one_input_is_enough_for_a_function_that_takes_one() -> None:
    """A conversation with it need not be closed to be answered, and what follows is not read."""
    answers = await asked(agent_of(described), Payload({"text": "one"}), Payload(b"never read"))
    assert answers == [Payload({"result": "one 3"})]
