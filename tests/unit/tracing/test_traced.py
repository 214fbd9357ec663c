"""`traced`: a span around functions of every kind."""

from __future__ import annotations

import asyncio
import gc
import inspect
from collections.abc import AsyncIterator, Generator, Iterator
from contextvars import copy_context

import pytest
from opentelemetry import trace

from a2a_node.agent import Agent, Context
from a2a_node.model.call import Once
from a2a_node.model.errors import AgentNotFound
from a2a_node.model.payload import Payload
from a2a_node.tracing import traced
from tests.unit.tracing.recorded import Recorded, recording


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    """What ends in a test."""
    with recording() as recorded:
        yield recorded


@traced(name="add")
def add(one: int, other: int = 2) -> int:
    """Add."""
    return one + other


@traced
async def outer() -> int:
    """Call another one."""
    await asyncio.sleep(0)
    return add(1)


@traced(name="numbers")
async def numbers(count: int) -> AsyncIterator[int]:
    """Numbers, each asked for in a span of its own."""
    for number in range(count):
        yield add(number)


@traced(name="steps")
def steps(count: int) -> Generator[int, int | None, str]:
    """Numbers, and what was sent back for the last one."""
    said: int | None = None
    for number in range(count):
        said = yield number
    return f"last {said}"


async def test_functions_stay_what_they_are(recorded: Recorded) -> None:
    """Names, documentation and kinds: frameworks look at them."""
    assert (outer.__name__, outer.__doc__) == ("outer", "Call another one.")
    assert inspect.iscoroutinefunction(outer)
    assert inspect.isasyncgenfunction(numbers)
    assert inspect.isgeneratorfunction(steps)
    assert str(inspect.signature(add)) == "(one: 'int', other: 'int' = 2) -> 'int'"
    assert recorded.spans == []


async def test_a_call_inside_is_below(recorded: Recorded) -> None:
    """The name is the function's own, unless another one is given."""
    assert await outer() == 3
    assert recorded.parents() == {"add": "outer", "outer": ""}


async def test_a_stream_is_current_only_while_it_runs(recorded: Recorded) -> None:
    """What its reader does in between is not below it."""
    seen = []
    async for number in numbers(2):
        seen.append(number)
        assert trace.get_current_span() is trace.INVALID_SPAN
    assert seen == [2, 3]
    assert recorded.names() == ["add", "add", "numbers"]
    assert recorded.parents()["add"] == "numbers"


async def test_a_stream_ends_with_its_reader(recorded: Recorded) -> None:
    """Be it closed, or only forgotten."""
    stream = numbers(10)
    assert await anext(stream) == 2
    del stream
    gc.collect()
    await asyncio.get_running_loop().shutdown_asyncgens()  # as `asyncio.run` does, for what is still to be closed
    assert recorded.spans[-1].status.is_unset


def test_a_plain_stream_hears_what_is_sent_and_answers(recorded: Recorded) -> None:
    """As it did before."""
    stream = steps(2)
    assert [next(stream), stream.send(5)] == [0, 1]
    with pytest.raises(StopIteration) as end:
        stream.send(7)
    assert end.value.value == "last 7"
    forgotten = steps(2)
    next(forgotten)
    del forgotten
    gc.collect()
    assert recorded.names() == ["steps", "steps"]


async def test_a_failure_is_named_and_not_quoted(recorded: Recorded) -> None:
    """By its class, and by its reason where it has one; its words may hold secrets."""

    @traced
    def fails(error: Exception) -> None:
        raise error

    for error in (ValueError("hush"), AgentNotFound("hush")):
        with pytest.raises(type(error)):
            fails(error)
    plain, named = recorded.spans
    assert plain.attributes == {"error.type": "builtins.ValueError"}
    assert (plain.status.status_code.name, plain.status.description) == ("ERROR", "ValueError")
    assert named.attributes is not None
    assert named.attributes["a2a.reason"] == "AGENT_NOT_FOUND"
    assert "hush" not in plain.to_json() + named.to_json()


async def test_a_cancelled_function_ends_its_span(recorded: Recorded) -> None:
    """At once, and without being a failure."""
    begun = asyncio.Event()

    @traced(name="waits")
    async def waits() -> None:
        begun.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(waits())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    (span,) = recorded.spans
    assert span.attributes == {"error.type": "asyncio.exceptions.CancelledError", "a2a.reason": "CALL_CANCELLED"}
    assert span.status.is_unset


async def test_a_traced_function_can_be_a_capability(recorded: Recorded) -> None:
    """Its type hints are read through the span, also where it runs in a thread."""
    agent = Agent("shop")

    @agent.capability
    @traced(name="price")
    def price(item: str) -> dict[str, str]:
        return {"item": item}

    said: list[Payload] = []

    async def take(payload: Payload) -> None:
        said.append(payload)

    await agent.serve("price", Context("c", "shop"), Once(Payload(b'{"item": "x"}')), take)
    assert [payload.body for payload in said] == [b'{"item":"x"}']
    assert recorded.names() == ["price"]


def test_nothing_leaks_into_the_context_of_the_caller(recorded: Recorded) -> None:
    """A span is over when its function is."""
    context = copy_context()
    context.run(add, 1)
    assert context.run(trace.get_current_span) is trace.INVALID_SPAN
    assert recorded.names() == ["add"]
