"""The program `a2a-node`: runs one of its commands."""

from __future__ import annotations

import sys

from a2a_node.cli.commands import program
from a2a_node.cli.failures import BAD_USAGE

TYPERS_BAD_USAGE = 2


def main() -> None:
    """Run the command that the process was given, and end the process with its exit code."""
    if sys.argv[1:] == ["engine"]:
        from a2a_node.cli.engine import engine  # noqa: PLC0415 - nobody else needs it

        engine()
        return
    try:
        program(*sys.argv[1:2])()
    except SystemExit as end:
        sys.exit(BAD_USAGE if end.code == TYPERS_BAD_USAGE else end.code)
