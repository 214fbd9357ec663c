"""Commands of ours that a page names, held against the program."""

from __future__ import annotations

import re
from collections.abc import Sequence

from typer.main import get_command

from a2a_node.cli.commands import program

PROGRAM = get_command(program())


def named(page: str) -> Sequence[str]:
    """Every command of ours that a page names, once, without `a2a-node` in front."""
    spans = re.findall(r"`(a2a-node [^`]+)`", page) + re.findall(r"^(a2a-node [^#\n]+)", page, flags=re.MULTILINE)
    return sorted({" ".join(span.split()[1:]) for span in spans})


def check(line: str) -> None:
    """AssertionError for a command that there is not, or that has not these options."""
    command, words = PROGRAM, line.split()
    for word in words:
        if word in getattr(command, "commands", {}):
            command = command.commands[word]  # type: ignore[attr-defined]
    options = {word for word in words if word.startswith("--")}
    known = {option for parameter in command.params for option in parameter.opts}
    assert not hasattr(command, "commands") or options == {"--version"}, line
    assert options <= known, line
