"""How commands get their options: those of their own function, and those that many commands share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature, signature
from types import SimpleNamespace
from typing import Annotated, TypedDict, Unpack, get_type_hints

import typer

Command = Callable[..., None]


class Shown(TypedDict, total=False):
    """What `--help` says of an option."""

    help: str
    metavar: str
    show_default: str


def option(name: str, kind: object, *flags: str, default: object = None, **shown: Unpack[Shown]) -> Parameter:
    """An option that a function does not name itself; `kind` is the type that typer reads it as."""
    return Parameter(name, Parameter.KEYWORD_ONLY, default=typer.Option(default, *flags, **shown), annotation=kind)


def own_options(function: Callable[..., object]) -> Sequence[Parameter]:
    """The options and arguments that a function names itself, after its first parameter."""
    _, *own = signature(function).parameters.values()
    named = [parameter for parameter in own if parameter.kind is not Parameter.VAR_KEYWORD]
    written = SimpleNamespace(__annotations__={parameter.name: parameter.annotation for parameter in named})
    kinds = get_type_hints(written, function.__globals__, include_extras=True)
    return [parameter.replace(annotation=kinds[parameter.name]) for parameter in named]


def command(run: Command, like: Callable[..., object], parameters: Sequence[Parameter]) -> Command:
    """`run` under the name and the words of `like`, with these parameters, all given by name."""
    by_name = [parameter.replace(kind=Parameter.KEYWORD_ONLY) for parameter in parameters]
    run.__name__, run.__doc__ = like.__name__, like.__doc__
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in by_name}
    run.__dict__["__signature__"] = Signature(by_name)
    return run


AsJson = Annotated[bool, typer.Option("--json", help="Answer in JSON, for programs.")]
AS_JSON = Parameter("as_json", Parameter.KEYWORD_ONLY, default=False, annotation=AsJson)
