"""What an agent tells the mesh of itself, and what it refuses to become."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated

import pytest
from pydantic import BaseModel, Field

from a2a_node.agent import Agent, Context
from a2a_node.model.errors import CapabilityNotFound, InvalidInput
from tests.unit.agent.asking import asked, inputs


class Greeting(BaseModel):
    """What is said to somebody."""

    text: str


async def say(name: Annotated[str, Field(description="Whom to greet.")], times: int = 1) -> Greeting:
    """Greet somebody."""
    return Greeting(text=f"hello {name}" * times)


async def each(names: AsyncIterator[str], context: Context) -> AsyncIterator[Greeting]:
    """Greet everybody."""
    async for name in names:
        yield Greeting(text=f"{context.agent} says hello {name}")


def length(name: str) -> int:
    """Count the letters."""
    return len(name)


async def nowhere(reply: object) -> None:
    """Where answers go that no test reads."""
    del reply


def test_the_descriptor_says_all_that_the_author_said() -> None:
    """Name, version and the rest are handed on, tags as a tuple."""
    agent = Agent("a", version="2", tags=["x"], config={"depth": 3}, max_revisits=1)
    agent.capability(say)
    found = agent.descriptor
    assert (found.name, found.version, found.category, found.tags) == ("a", "2", "general", ("x",))
    assert (found.config, found.max_revisits) == ({"depth": 3}, 1)


def test_a_descriptor_is_computed_once_until_a_capability_is_added() -> None:
    """The same object is given again; a new capability makes a new one."""
    agent = Agent("a")
    agent.capability(say)
    assert agent.descriptor is agent.descriptor
    agent.capability(length)
    assert [capability.name for capability in agent.descriptor.capabilities] == ["say", "length"]


def test_a_capability_is_named_and_described_by_its_function() -> None:
    """Its docstring is the description."""
    agent = Agent("a")
    agent.capability(say)
    found = agent.descriptor.capability("say")
    assert (found.description, found.cache_ttl, found.limit, found.idempotent) == ("Greet somebody.", 0.0, "", False)


def test_options_come_before_what_the_function_says() -> None:
    """All of them reach the descriptor."""
    agent = Agent("a")
    agent.capability(name="greet", description="Greets.", cache="60s", limit="50/s burst 100", idempotent=True)(say)
    found = agent.descriptor.capability("greet")
    assert (found.description, found.cache_ttl, found.limit, found.idempotent) == (
        "Greets.",
        60.0,
        "50/s burst 100",
        True,
    )


def test_the_decorator_leaves_the_function_as_it_is() -> None:
    """With options and without, it can still be called in Python."""
    agent = Agent("a")
    assert agent.capability(say) is say
    assert agent.capability(name="again")(say) is say


def test_streams_are_told_from_the_signature() -> None:
    """A generator streams its output; a parameter that is an AsyncIterator streams the input."""
    agent = Agent("a")
    agent.capability(say)
    agent.capability(each)
    manners = [(found.streams_input, found.streams_output) for found in agent.descriptor.capabilities]
    assert manners == [(False, False), (True, True)]


def test_the_input_schema_comes_from_the_type_hints() -> None:
    """Descriptions, defaults and what is required are in it, and nothing but the fields is allowed."""
    agent = Agent("a")
    agent.capability(say)
    assert agent.descriptor.capability("say").input_schema == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "Whom to greet."},
            "times": {"type": "integer", "default": 1},
        },
        "required": ["name"],
        "additionalProperties": False,
    }


def test_the_output_schema_comes_from_the_return_type() -> None:
    """For a stream it is the schema of one output."""
    agent = Agent("a")
    agent.capability(say)
    agent.capability(each)
    schema = {
        "type": "object",
        "description": "What is said to somebody.",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    }
    assert [found.output_schema for found in agent.descriptor.capabilities] == [schema, schema]


def test_the_context_is_no_part_of_the_input() -> None:
    """Whatever the parameter is called and wherever it stands."""
    agent = Agent("a")

    @agent.capability
    async def here(about: Context, word: str) -> str:
        return about.agent + word

    schema = agent.descriptor.capability("here").input_schema
    assert schema["required"] == ["word"]


async def test_an_unknown_capability_is_refused() -> None:
    """So is an empty name where there are several."""
    agent = Agent("a")
    agent.capability(say)
    agent.capability(length)
    for name in ("sing", ""):
        with pytest.raises(CapabilityNotFound, match="say, length"):
            await agent.serve(name, Context("c1", "a"), inputs(), nowhere)


async def test_the_only_capability_needs_no_name() -> None:
    """An empty one means it."""
    agent = Agent("a")

    @agent.capability
    async def ready() -> bool:
        return True

    assert [answer.body for answer in await asked(agent)] == [{"result": True}]


def test_an_agent_without_capabilities_is_refused() -> None:
    """Nobody could call it."""
    with pytest.raises(InvalidInput, match=r"agent\.capabilities"):
        _ = Agent("a").descriptor


def test_a_malformed_name_is_refused_where_it_is_written() -> None:
    """The agent's and the capability's."""
    with pytest.raises(InvalidInput, match=r"agent\.name"):
        Agent("No Name")
    with pytest.raises(InvalidInput, match=r"agent\.capabilities\.name"):
        Agent("a").capability(name="Say!")(say)


def test_a_capability_is_there_once() -> None:
    """A second one of the same name is refused."""
    agent = Agent("a")
    agent.capability(say)
    with pytest.raises(InvalidInput, match="twice"):
        agent.capability(say)


async def _two_streams(one: AsyncIterator[int], two: AsyncIterator[int]) -> None: ...
async def _stream_and_field(one: AsyncIterator[int], two: int) -> None: ...
def _plain_stream(one: AsyncIterator[int]) -> None: ...
async def _any_number(*words: str) -> None: ...
async def _by_name(**words: str) -> None: ...
async def _by_place(word: str, /) -> None: ...
async def _unknown_type(word: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821 - that is the fact under test
async def _no_json(word: threading.Event) -> None: ...
async def _no_json_answer() -> threading.Event:
    raise NotImplementedError


async def _no_schema(word: Callable[[], int]) -> None: ...
async def _returns_stream() -> AsyncIterator[int]:
    raise NotImplementedError


def _returns_iterator() -> Iterator[int]:
    raise NotImplementedError


async def _yields_without_saying() -> int:  # type: ignore[misc]
    """Yield, and say otherwise."""
    yield 1


@pytest.mark.parametrize(
    ("function", "place", "problem"),
    [
        (_two_streams, "", "nothing beside 'one'"),
        (_stream_and_field, "", "nothing beside 'one'"),
        (_plain_stream, "", "async def"),
        (_any_number, ".words", "by name"),
        (_by_name, ".words", "by name"),
        (_by_place, ".word", "by name"),
        (_unknown_type, "", "'Nowhere' is not defined"),
        (_no_json, "", "cannot be read as JSON"),
        (_no_json_answer, ".return", "cannot be read as JSON"),
        (_no_schema, "", "cannot be read as JSON"),
        (_returns_stream, ".return", "must yield"),
        (_returns_iterator, ".return", "must yield"),
        (_yields_without_saying, ".return", "AsyncIterator"),
    ],
)
def test_a_function_that_cannot_be_a_capability_is_refused(
    function: Callable[..., object], place: str, problem: str
) -> None:
    """The refusal names the capability, the parameter where there is one, and what to do."""
    with pytest.raises(InvalidInput, match=problem) as refused:
        Agent("a").capability(name="odd")(function)
    assert refused.value.variables["field"] == f"agent.capabilities.odd{place}"


def test_a_stream_cannot_be_cached() -> None:
    """The cache answers one input with one output."""
    with pytest.raises(InvalidInput, match=r"each\.cache"):
        Agent("a").capability(cache="60s")(each)


@pytest.mark.parametrize(
    ("span", "seconds"), [("250ms", 0.25), ("60s", 60.0), ("1.5m", 90.0), ("2h", 7200.0), ("1d", 86400.0)]
)
def test_spans_have_units(span: str, seconds: float) -> None:
    """From milliseconds to days."""
    agent = Agent("a")
    agent.capability(cache=span)(say)
    assert agent.descriptor.capability("say").cache_ttl == seconds


@pytest.mark.parametrize("span", ["60", "soon", "-1s", "1 s"])
def test_a_malformed_span_is_refused(span: str) -> None:
    """It names the option."""
    with pytest.raises(InvalidInput, match=r"say\.cache"):
        Agent("a").capability(cache=span)(say)


def test_a_capability_can_declare_whom_it_calls() -> None:
    """By their names."""
    agent = Agent("a")
    agent.capability(calls=["b", "c"])(say)
    assert agent.descriptor.capability("say").calls == ("b", "c")
    agent.capability(name="sing", calls=["no name"])(say)
    with pytest.raises(InvalidInput, match=r"capabilities\[1\]\.calls\[0\]"):
        _ = agent.descriptor


def test_calls_of_a_capability_can_be_hedged() -> None:
    """Where it says that running it twice does no harm; else it is refused at once."""
    agent = Agent("a")
    agent.capability(idempotent=True, hedging_delay="50ms")(say)
    assert agent.descriptor.capability("say").hedging_delay == 0.05
    with pytest.raises(InvalidInput, match=r"say\.hedging_delay.*idempotent"):
        Agent("a").capability(hedging_delay="50ms")(say)
    with pytest.raises(InvalidInput, match=r"each\.hedging_delay.*one output"):
        Agent("a").capability(idempotent=True, hedging_delay="50ms")(each)


@pytest.mark.parametrize("limit", ["50", "50/year", "50/s burst", "often"])
def test_a_malformed_limit_is_refused(limit: str) -> None:
    """It names the option."""
    with pytest.raises(InvalidInput, match=r"say\.limit"):
        Agent("a").capability(limit=limit)(say)
