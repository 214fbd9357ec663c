"""All commands of the program `a2a-node`, by where they stand: whoever wants one imports no other.

A client's command would take three times as long to import otherwise (0.59 s of processor and 0.17), and a node keeps
what its command has imported.
"""

from __future__ import annotations

from importlib import import_module, metadata
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from collections.abc import Callable

COMMANDS = {
    "up": "start.up",
    "serve": "start.serve",
    "call": "calls.call",
    "stream": "calls.stream",
    "token": "keys.token",
    "drain": "drain.drain",
    "freeze": "freezes.freeze",
    "unfreeze": "freezes.unfreeze",
    "freezes": "freezes.freezes",
    "tap": "tap.tap",
    "doctor": "doctor.doctor",
    "mcp": "mcp.mcp",
}
GROUPS = {
    "agents": "agents.agents",
    "nodes": "nodes.nodes",
    "sessions": "sessions.sessions",
    "cache": "cache.cache",
    "grants": "grants.grants",
    "audit": "audit.audit",
    "keys": "keys.keys",
    "limits": "limits.limits",
    "tools": "tools.tools",
    "workflow": "workflows.workflow",
    "db": "database.database",
}


def program(wanted: str = "") -> typer.Typer:
    """The program with the command or the group that is wanted; with all of them where it has no such."""
    app = typer.Typer(
        name="a2a-node",
        help="The mesh node you run next to your agents: any agent calls any other by name, over gRPC.",
        no_args_is_help=True,
        rich_markup_mode="markdown",
        pretty_exceptions_enable=False,  # their frames show local variables, keys among them
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_options)
    one = wanted in COMMANDS or wanted in GROUPS
    for name, place in COMMANDS.items():
        if not one or name == wanted:
            app.command(name)(cast("Callable[..., None]", _at(place)))
    for name, place in GROUPS.items():
        if not one or name == wanted:
            app.add_typer(cast("typer.Typer", _at(place)), name=name)
    return app


def _at(place: str) -> object:
    """A function that is a command, or a group of them."""
    module, _, name = place.partition(".")
    found: object = getattr(import_module(f"a2a_node.cli.{module}"), name)
    return found


def _print_version(wanted: bool) -> None:  # noqa: FBT001 - typer's callbacks take the value so
    if wanted:
        typer.echo(f"a2a-node {metadata.version('a2a-node')}")
        raise typer.Exit


def _options(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and end.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """The mesh node you run next to your agents: any agent calls any other by name, over gRPC."""
