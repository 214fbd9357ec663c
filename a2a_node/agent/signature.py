"""What a function's signature says: what it takes, what it answers, and how it has to be run."""

from __future__ import annotations

import inspect
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Callable,
    Generator,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from typing import get_args, get_origin

from a2a_node.agent.context import Context
from a2a_node.model.errors import InvalidInput

Function = Callable[..., object]
_ASYNC = (AsyncIterator, AsyncIterable, AsyncGenerator)
_LAZY = (*_ASYNC, Iterator, Generator)


@dataclass(frozen=True, slots=True)
class Signature:
    """A function as the mesh sees it."""

    takes: Mapping[str, tuple[object, object]]  # parameter -> its type and its default, `...` where it has none
    hears: str  # the parameter that receives the inputs as they come; empty where there is one input
    heard: object  # the type of one such input
    context: str  # the parameter that receives the Context; empty where none does
    answers: object  # the type of one answer
    streams: bool  # yields any number of answers, rather than returning one
    plain: bool  # neither a coroutine nor an async generator: runs in a thread


def signature_of(place: str, function: Function) -> Signature:
    """The signature of a function; InvalidInput names the place and says what is wrong with it."""
    said = _read(place, function)
    parameters = [_checked(f"{place}.{each.name}", each) for each in said.parameters.values()]
    hearing = [each for each in parameters if _origin(each.annotation) in _ASYNC]
    taken = [each for each in parameters if each.annotation is not Context and each not in hearing]
    streams = inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function)
    plain = not (inspect.isasyncgenfunction(function) or inspect.iscoroutinefunction(function))
    _check_hearing(place, hearing, taken, plain=plain)
    return Signature(
        takes={each.name: (_kind(each.annotation), _default(each)) for each in taken},
        hears=hearing[0].name if hearing else "",
        heard=_element(hearing[0].annotation) if hearing else None,
        context=next((each.name for each in parameters if each.annotation is Context), ""),
        answers=_answers(f"{place}.return", said.return_annotation, streams=streams),
        streams=streams,
        plain=plain,
    )


def _read(place: str, function: Function) -> inspect.Signature:
    try:
        return inspect.signature(function, eval_str=True)
    except (NameError, AttributeError, TypeError, SyntaxError) as error:
        raise InvalidInput(
            place, f"has a type hint that cannot be resolved ({error}); define it in the module"
        ) from error


def _checked(place: str, parameter: inspect.Parameter) -> inspect.Parameter:
    if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
        raise InvalidInput(place, "must be a parameter that can be given by name")
    return parameter


def _check_hearing(
    place: str, hearing: Sequence[inspect.Parameter], taken: Sequence[inspect.Parameter], *, plain: bool
) -> None:
    if hearing and (taken or len(hearing) > 1):
        raise InvalidInput(place, f"must take nothing beside {hearing[0].name!r}, which receives all the inputs")
    if hearing and plain:
        raise InvalidInput(place, f"must be `async def` to receive inputs as they come ({hearing[0].name!r})")


def _answers(place: str, annotation: object, *, streams: bool) -> object:
    kind = _kind(annotation)
    if not streams and _origin(kind) in _LAZY:
        raise InvalidInput(place, "is an iterator, so the function must yield its answers")
    if streams and kind is not object:
        if _origin(kind) not in (*_LAZY, Iterable):
            raise InvalidInput(place, "must be an AsyncIterator or Iterator, because the function yields")
        return _element(kind)
    return kind


def _kind(annotation: object) -> object:
    return object if annotation is inspect.Parameter.empty else annotation


def _default(parameter: inspect.Parameter) -> object:
    return ... if parameter.default is parameter.empty else parameter.default


def _origin(annotation: object) -> object:
    return get_origin(annotation) or annotation


def _element(annotation: object) -> object:
    arguments: Sequence[object] = get_args(annotation)
    return arguments[0] if arguments else object
