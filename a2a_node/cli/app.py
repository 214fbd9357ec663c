"""The program `a2a-node`: all commands under one name."""

from __future__ import annotations

import sys
from importlib import metadata
from typing import Annotated

import typer

from a2a_node.cli.agents import agents
from a2a_node.cli.audit import audit
from a2a_node.cli.cache import cache
from a2a_node.cli.calls import call, stream
from a2a_node.cli.database import database
from a2a_node.cli.doctor import doctor
from a2a_node.cli.failures import BAD_USAGE
from a2a_node.cli.freezes import freeze, freezes, unfreeze
from a2a_node.cli.grants import grants
from a2a_node.cli.keys import keys, token
from a2a_node.cli.limits import limits
from a2a_node.cli.nodes import nodes
from a2a_node.cli.sessions import sessions
from a2a_node.cli.start import serve, up
from a2a_node.cli.tap import tap

TYPERS_BAD_USAGE = 2

app = typer.Typer(
    name="a2a-node",
    help="The mesh node you run next to your agents: any agent calls any other by name, over gRPC.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,  # their frames show local variables, keys among them
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (up, serve, call, stream, token, freeze, unfreeze, freezes, tap, doctor):
    app.command()(command)
for name, group in (
    ("agents", agents),
    ("nodes", nodes),
    ("sessions", sessions),
    ("cache", cache),
    ("grants", grants),
    ("audit", audit),
    ("keys", keys),
    ("limits", limits),
    ("db", database),
):
    app.add_typer(group, name=name)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callbacks take the value so
    if wanted:
        typer.echo(f"a2a-node {metadata.version('a2a-node')}")
        raise typer.Exit


@app.callback()
def options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The mesh node you run next to your agents: any agent calls any other by name, over gRPC."""


def main() -> None:
    """Run the command that the process was given, and end the process with its exit code."""
    try:
        app()
    except SystemExit as end:
        sys.exit(BAD_USAGE if end.code == TYPERS_BAD_USAGE else end.code)
