"""traced: a span around any function of an application."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import AbstractContextManager, aclosing, closing, contextmanager
from typing import ParamSpec, TypeAlias, TypeVar, cast, overload

from opentelemetry import trace
from opentelemetry.trace import Span, StatusCode, use_span

from a2a_node.model.errors import MeshError
from a2a_node.tracing.outcome import REASON, outcome_of

P = ParamSpec("P")
R = TypeVar("R")
Steps: TypeAlias = Generator[R, object, object]
AsyncSteps: TypeAlias = AsyncGenerator[R, object]
_tracer = trace.get_tracer("a2a_node.traced")


@overload
def traced(function: Callable[P, R], /) -> Callable[P, R]: ...


@overload
def traced(*, name: str = "") -> Callable[[Callable[P, R]], Callable[P, R]]: ...


def traced(
    function: Callable[P, R] | None = None, /, *, name: str = ""
) -> Callable[P, R] | Callable[[Callable[P, R]], Callable[P, R]]:
    """Give every call of a function a span, below the current one: `@traced`, or `@traced(name="price")`.

    Plain functions, coroutines and generators of both kinds are wrapped as what they are. A generator's span lasts from
    its first step to its end, also where nobody reads it to the end, and is current only while it runs. Spans go to
    the process's tracer provider: a node that traces has one, `exporting` makes one elsewhere, and without one this
    costs nearly nothing. Arguments, results and the words of errors are not recorded.
    """

    def wrapped(function: Callable[P, R]) -> Callable[P, R]:
        wrap = _wrapper(function)
        return functools.wraps(function)(wrap(function, name or function.__qualname__))

    return wrapped if function is None else wrapped(function)


Wrap = Callable[[Callable[P, R], str], Callable[P, R]]


def _wrapper(function: Callable[P, R]) -> Wrap[P, R]:
    kinds: tuple[tuple[Callable[[object], bool], object], ...] = (
        (inspect.isasyncgenfunction, _async_stream),
        (inspect.isgeneratorfunction, _stream),
        (inspect.iscoroutinefunction, _coroutine),
    )
    found = next((wrap for fits, wrap in kinds if fits(function)), _plain)
    return cast("Wrap[P, R]", found)


def _plain(function: Callable[P, R], name: str) -> Callable[P, R]:
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with _ended(name) as span, _current(span):
            return function(*args, **kwargs)

    return run


def _coroutine(function: Callable[P, Awaitable[R]], name: str) -> Callable[P, Awaitable[R]]:
    async def run(*args: P.args, **kwargs: P.kwargs) -> R:
        with _ended(name) as span, _current(span):
            return await function(*args, **kwargs)

    return run


def _stream(function: Callable[P, Steps[R]], name: str) -> Callable[P, Steps[R]]:
    def run(*args: P.args, **kwargs: P.kwargs) -> Steps[R]:
        with _ended(name) as span, closing(function(*args, **kwargs)) as steps:
            said: object = None
            while True:
                with _current(span):
                    try:
                        step = steps.send(said)
                    except StopIteration as end:
                        return end.value
                said = yield step

    return run


def _async_stream(function: Callable[P, AsyncSteps[R]], name: str) -> Callable[P, AsyncSteps[R]]:
    async def run(*args: P.args, **kwargs: P.kwargs) -> AsyncSteps[R]:
        with _ended(name) as span:
            async with aclosing(function(*args, **kwargs)) as steps:
                said: object = None
                while True:
                    with _current(span):
                        try:
                            step = await steps.asend(said)
                        except StopAsyncIteration:
                            return
                    said = yield step

    return run


@contextmanager
def _ended(name: str) -> Iterator[Span]:
    """A span that ends with the block, and says how that ended."""
    span = _tracer.start_span(name)
    try:
        yield span
    except GeneratorExit:  # whoever read had enough
        raise
    except BaseException as error:
        _fail(span, error)
        raise
    finally:
        span.end()


def _fail(span: Span, error: BaseException) -> None:
    kind = type(error)
    span.set_attribute("error.type", f"{kind.__module__}.{kind.__qualname__}")
    outcome = outcome_of(error)
    if isinstance(error, MeshError) or outcome.code == "CANCELLED":
        span.set_attribute(REASON, outcome.reason)
    if outcome.code != "CANCELLED":
        span.set_status(StatusCode.ERROR, kind.__name__)


def _current(span: Span) -> AbstractContextManager[Span]:
    return use_span(span, end_on_exit=False, record_exception=False, set_status_on_exception=False)
