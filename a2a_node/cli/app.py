"""The program `a2a-node`: what it is as a whole, and the two commands that run a node.

A node keeps what its command has imported. So the others, 1.4 MB of it, are imported where one of them, or help, is
wanted.
"""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from a2a_node.cli.failures import BAD_USAGE
from a2a_node.cli.start import serve, up

TYPERS_BAD_USAGE = 2
RUN_A_NODE = (up, serve)


def program() -> typer.Typer:
    """The program with the commands that run a node."""
    app = typer.Typer(
        name="a2a-node",
        help="The mesh node you run next to your agents: any agent calls any other by name, over gRPC.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,  # their frames show local variables, keys among them
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(options)
    for command in RUN_A_NODE:
        app.command()(command)
    return app


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callbacks take the value so
    if wanted:
        typer.echo(f"a2a-node {metadata.version('a2a-node')}")
        raise typer.Exit


def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The mesh node you run next to your agents: any agent calls any other by name, over gRPC."""


def main() -> None:
    """Run the command that the process was given, and end the process with its exit code."""
    if sys.argv[1:] == ["engine"]:
        from a2a_node.cli.engine import engine  # noqa: PLC0415 - see above

        engine()
        return
    try:
        _app(sys.argv[1:2])()
    except SystemExit as end:
        sys.exit(BAD_USAGE if end.code == TYPERS_BAD_USAGE else end.code)


def _app(first: list[str]) -> typer.Typer:
    if first in ([command.__name__] for command in RUN_A_NODE):
        return program()
    from a2a_node.cli.commands import app  # noqa: PLC0415 - see above

    return app
