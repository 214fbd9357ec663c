"""The four manners of running a function: awaited or in a thread, with one answer or with any number."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Mapping
from concurrent.futures import Future
from contextlib import aclosing
from contextvars import copy_context
from typing import Protocol, TypeVar, cast

import structlog

from a2a_node.agent.context import Context
from a2a_node.agent.signature import Function, Signature

T = TypeVar("T")
Arguments = Mapping[str, object]
Answer = Callable[[object], Awaitable[None]]
log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
_END = object()


class Manner(Protocol):
    """Runs a function with its arguments and hands every result to `answer`."""

    async def __call__(self, function: Function, arguments: Arguments, context: Context, answer: Answer, /) -> None:
        """Run it to its end; whatever it raises passes."""


def manner_of(signature: Signature) -> Manner:
    """How a function of that signature is run."""
    if signature.plain:
        return _plain_stream if signature.streams else _plain
    return _stream if signature.streams else _once


async def _once(function: Function, arguments: Arguments, _: Context, answer: Answer) -> None:
    run = cast("Callable[..., Coroutine[object, object, object]]", function)
    await answer(await run(**arguments))


async def _stream(function: Function, arguments: Arguments, _: Context, answer: Answer) -> None:
    run = cast("Callable[..., AsyncGenerator[object, None]]", function)
    # Closed here, in the task and the context that it ran in, rather than by the collector at some later time.
    async with aclosing(run(**arguments)) as results:
        async for result in results:
            await answer(result)


async def _plain(function: Function, arguments: Arguments, context: Context, answer: Answer) -> None:
    _ = context.cancelled  # made before two threads could both make it
    carried = copy_context()

    def returned() -> object:
        try:
            return carried.run(function, **arguments)
        except StopIteration as error:
            # A future cannot carry it: the call would wait for ever.
            raise RuntimeError("the function raised StopIteration") from error

    await answer(await _in_thread(context, returned))


async def _plain_stream(function: Function, arguments: Arguments, context: Context, answer: Answer) -> None:
    _ = context.cancelled
    steps = _Steps(cast("Callable[..., Generator[object, None, None]]", function)(**arguments), context)
    try:
        while (result := await _in_thread(context, steps.advance)) is not _END:
            await answer(result)
    except BaseException:
        # Not awaited: a step that is still under way must not hold up the cancellation.
        _in_thread(context, steps.close)
        raise


def _in_thread(context: Context, work: Callable[[], T]) -> asyncio.Future[T]:
    if context.threads is None:
        return asyncio.get_running_loop().run_in_executor(None, work)
    future = context.threads.submit(work)
    context.in_thread = cast("Future[object]", future)  # it goes on when nobody awaits it any more
    return asyncio.wrap_future(future)


def left_by(context: Context) -> asyncio.Future[object] | None:
    """What a thread still does for a call whose task has ended; None when that is nothing."""
    future = context.in_thread
    return None if future is None or future.done() else asyncio.wrap_future(future)


class _Steps:
    """A plain generator that advances one step at a time, in whichever thread is free, always in the same context."""

    def __init__(self, results: Generator[object, None, None], context: Context) -> None:
        self._results, self._context = results, context
        self._carried = copy_context()
        self._lock = threading.Lock()  # a generator cannot be closed while it runs

    def advance(self) -> object:
        """The next result, or `_END`."""
        with self._lock:
            return self._carried.run(next, self._results, _END)

    def close(self) -> None:
        """End the generator where it stands; what goes wrong is logged, because nobody waits for it."""
        with self._lock:
            try:
                self._carried.run(self._results.close)
            except Exception:
                log.exception("agent failed to clean up", agent=self._context.agent, call=self._context.call_id)
