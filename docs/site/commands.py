"""The page of the commands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from typer.main import get_command

from a2a_node.cli.commands import program

HEAD = """# Commands

`a2a-node COMMAND --help` says the same. Exit codes: 0 done, 1 failed, 64 wrong use.

The options of `serve` and `up` are the [settings](settings.md).
"""
RUN_A_NODE = {"serve", "up"}


def page() -> str:
    """A section for each command, groups before what is in them."""
    return HEAD + "\n".join(_sections(get_command(program()), "a2a-node", 1)) + "\n"


def _sections(command: object, path: str, depth: int) -> Iterator[str]:
    for name, inner in sorted(getattr(command, "commands", {}).items()):
        whole = f"{path} {name}"
        yield f"\n{'#' * min(depth + 1, 4)} {whole}\n\n{_plain(inner.help or '')}\n"
        if name not in RUN_A_NODE and not getattr(inner, "commands", None):
            yield from _parameters(inner)
        yield from _sections(inner, whole, depth + 1)


def _parameters(command: object) -> Iterator[str]:
    parameters = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]  # type: ignore[attr-defined]
    if parameters:
        yield "| argument or option | what it is |\n|---|---|"
    for parameter in parameters:
        named = ", ".join(f"`{word}`" for word in parameter.opts) if parameter.param_type_name == "option" else None
        name = named or f"`{(parameter.metavar or parameter.name or '').upper()}`"
        yield f"| {name} | {_plain(getattr(parameter, 'help', None) or '').replace('|', chr(92) + '|')} |"


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\b", "").strip())
