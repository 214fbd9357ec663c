"""How functions run: awaited or in threads, streamed, cancelled, failing."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar

import pytest
from structlog.testing import capture_logs

from a2a_node.agent import Agent, AgentRefused, Context, Payload, Threads, current
from a2a_node.model.errors import AgentFailed, AgentNotFound, MeshError
from tests.unit.agent.asking import asked, inputs

PATIENCE = 5.0
colour: ContextVar[str] = ContextVar("colour", default="none")


def agent_of(function: Callable[..., object]) -> Agent:
    """An agent with that capability."""
    agent = Agent("a")
    agent.capability(name="work")(function)
    return agent


class Work:
    """A call under way."""

    def __init__(self, function: Callable[..., object], threads: Threads | None = None) -> None:
        self.context = Context("c1", "a", threads=threads)
        self.answers: asyncio.Queue[Payload] = asyncio.Queue()
        served = agent_of(function).serve("", self.context, inputs(Payload({})), self.answers.put)
        self.task = asyncio.create_task(served)

    async def cancel(self) -> None:
        """Cancel it, and wait until it has ended."""
        self.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(self.task, PATIENCE)


async def test_a_function_gets_the_context_of_its_call() -> None:
    """As a parameter, and from wherever its code runs."""
    seen: list[object] = []

    async def look(context: Context) -> None:
        seen.extend((context, current.get()))

    context = Context("c1", "a")
    await asked(agent_of(look), context=context)
    assert seen == [context, context]
    assert current.get(None) is None


async def test_an_agent_inside_an_agent_has_its_own_context() -> None:
    """And the outer one has its own again afterwards, though both run in one task."""
    seen: list[str] = []

    async def inner() -> None:
        seen.append(current.get().call_id)

    async def outer() -> None:
        await asked(agent_of(inner), context=Context("child", "b"))
        seen.append(current.get().call_id)

    await asked(agent_of(outer), context=Context("parent", "a"))
    assert seen == ["child", "parent"]


async def test_a_plain_function_runs_in_a_thread() -> None:
    """Not on the loop, and with the context variables of the call."""
    seen: list[object] = []

    def look(context: Context) -> str:
        seen.extend((threading.current_thread(), current.get() is context, colour.get()))
        return "seen"

    colour.set("red")
    assert await asked(agent_of(look)) == [Payload({"result": "seen"})]
    assert seen[0] is not threading.current_thread()
    assert seen[1:] == [True, "red"]


async def test_a_plain_function_runs_in_its_hosts_threads() -> None:
    """When the host has some."""
    threads = Threads("workers")

    def where() -> str:
        return threading.current_thread().name

    answers = await asked(agent_of(where), context=Context("c1", "a", threads=threads))
    threads.shutdown()
    assert answers == [Payload({"result": "workers-1"})]


async def test_a_plain_generator_streams_from_threads() -> None:
    """Step by step, in one context, as fast as its answers are taken."""
    seen: list[object] = []

    def count(n: int) -> Iterator[int]:
        colour.set("of the generator")
        for number in range(n):
            seen.append((threading.current_thread() is threading.main_thread(), colour.get()))
            yield number

    answers = await asked(agent_of(count), Payload({"n": 3}))
    assert [answer.body for answer in answers] == [{"result": 0}, {"result": 1}, {"result": 2}]
    assert seen == [(False, "of the generator")] * 3
    assert colour.get() == "none"


async def test_a_conversation_is_answered_while_it_goes_on() -> None:
    """Every input is read when the function asks for it."""

    async def doubled(numbers: AsyncIterator[int]) -> AsyncIterator[int]:
        async for number in numbers:
            yield number * 2

    told: list[object] = []

    async def talk() -> AsyncIterator[Payload]:
        for number in (1, 2):
            told.append(number)
            yield Payload({"item": number})

    async def reply(payload: Payload) -> None:
        told.append(payload.body)

    await agent_of(doubled).serve("", Context("c1", "a"), talk(), reply)
    assert told == [1, {"result": 2}, 2, {"result": 4}]


async def test_inputs_that_are_not_read_to_their_end_are_closed() -> None:
    """With the call, rather than by the collector."""
    closed = asyncio.Event()

    async def talk() -> AsyncIterator[Payload]:
        try:
            while True:
                yield Payload({"item": 1})
        finally:
            closed.set()

    async def first(numbers: AsyncIterator[int]) -> int:
        return await anext(numbers)

    async def reply(payload: Payload) -> None:
        del payload

    await agent_of(first).serve("", Context("c1", "a"), talk(), reply)
    assert closed.is_set()


async def test_a_cancelled_function_is_cancelled_where_it_waits() -> None:
    """It may clean up, and the cancellation goes on to the host."""
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    work = Work(wait)
    await asyncio.wait_for(begun.wait(), PATIENCE)
    await work.cancel()
    assert ended.is_set()
    assert work.context.cancelled.is_set()


@pytest.mark.parametrize("waits_in", ["the generator", "the answer"])
async def test_a_cancelled_generator_is_closed_at_once_in_its_own_context(waits_in: str) -> None:
    """Whether it is at work or waits for its answer to be taken: same task, same context variables."""
    seen: list[object] = []
    begun = asyncio.Event()

    async def count() -> AsyncIterator[int]:
        colour.set("of the call")
        try:
            if waits_in == "the generator":
                begun.set()
                await asyncio.Event().wait()
            yield 1
        finally:
            seen.extend((asyncio.current_task(), colour.get()))

    async def reply(payload: Payload) -> None:
        del payload
        begun.set()
        await asyncio.Event().wait()

    served = agent_of(count).serve("", Context("c1", "a"), inputs(), reply)
    task = asyncio.create_task(served)
    await asyncio.wait_for(begun.wait(), PATIENCE)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [task, "of the call"]


async def test_a_plain_function_can_see_that_nobody_waits_any_more() -> None:
    """The call ends at once; the thread hears of it by `cancelled`."""
    begun, stopped = threading.Event(), threading.Event()

    def work(context: Context) -> None:
        begun.set()
        if context.cancelled.wait(PATIENCE):
            stopped.set()

    call = Work(work)
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    await call.cancel()
    assert await asyncio.to_thread(stopped.wait, PATIENCE)


async def test_a_cancelled_plain_generator_is_closed_after_its_step() -> None:
    """The call ends at once though the step goes on."""
    begun, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def count() -> Iterator[int]:
        try:
            yield 1
            begun.set()
            go_on.wait(PATIENCE)
            yield 2
        finally:
            closed.set()

    threads = Threads("workers")
    work = Work(count, threads)
    assert await asyncio.to_thread(begun.wait, PATIENCE)
    await work.cancel()
    assert not closed.is_set()
    go_on.set()
    assert await asyncio.to_thread(closed.wait, PATIENCE)
    assert work.answers.qsize() == 1
    threads.shutdown()


async def test_a_plain_generator_that_fails_to_clean_up_is_logged() -> None:
    """Nobody waits for it, so the log has it."""
    begun = asyncio.Event()

    def count() -> Iterator[int]:
        try:
            yield 1
        finally:
            raise OSError("cannot clean up")

    async def reply(payload: Payload) -> None:
        del payload
        begun.set()
        await asyncio.Event().wait()

    threads = Threads("workers", 1)
    with capture_logs() as logs:
        served = agent_of(count).serve("", Context("c1", "a", threads=threads), inputs(), reply)
        task = asyncio.create_task(served)
        await asyncio.wait_for(begun.wait(), PATIENCE)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wrap_future(threads.submit(lambda: None))  # begins after the only thread has cleaned up
    threads.shutdown()
    assert [(entry["event"], entry["call"]) for entry in logs] == [("agent failed to clean up", "c1")]


@pytest.mark.parametrize("error", [AgentRefused("no", code="OUT_OF_RANGE", reason="TOO_FAR"), AgentNotFound("b")])
async def test_errors_of_the_mesh_pass(error: MeshError) -> None:
    """What the author raised on purpose, and what a child call met."""

    async def refuse() -> None:
        raise error

    def refuse_plainly() -> None:
        raise error

    for function in (refuse, refuse_plainly):
        with pytest.raises(type(error)) as refused:
            await asked(agent_of(function))
        assert refused.value is error


async def _raises() -> None:
    raise ValueError("a secret")


def _raises_in_a_thread() -> None:
    raise ValueError("a secret")


async def _raises_in_a_stream() -> AsyncIterator[int]:
    yield 1
    raise ValueError("a secret")


def _raises_in_a_plain_stream() -> Iterator[int]:
    yield 1
    raise ValueError("a secret")


def _stops() -> None:
    raise StopIteration


async def _exits() -> None:
    sys.exit("a secret")


def _exits_in_a_thread() -> None:
    sys.exit("a secret")


@pytest.mark.parametrize(
    "function",
    [
        _raises,
        _raises_in_a_thread,
        _raises_in_a_stream,
        _raises_in_a_plain_stream,
        _stops,
        _exits,
        _exits_in_a_thread,
    ],
)
async def test_an_error_without_a_name_is_logged_and_named(function: Callable[..., object]) -> None:
    """The caller hears which agent failed; the log has agent, capability, call and the error."""
    with capture_logs() as logs, pytest.raises(AgentFailed) as failed:
        await asyncio.wait_for(asked(agent_of(function)), PATIENCE)
    assert "secret" not in str(failed.value)
    (entry,) = logs
    assert (entry["event"], entry["log_level"]) == ("agent failed", "error")
    assert (entry["agent"], entry["capability"], entry["call"]) == ("a", "work", "c1")


async def test_a_bound_method_can_be_a_capability() -> None:
    """It has no self on the outside."""

    class Counter:
        def __init__(self) -> None:
            self.count = 0

        async def up(self, by: int = 1) -> int:
            self.count += by
            return self.count

    agent = agent_of(Counter().up)
    await asked(agent, Payload({"by": 2}))
    assert await asked(agent) == [Payload({"result": 3})]
