"""The desk of a command that asks a mesh: a client, a screen, and an end for both."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from inspect import Parameter
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup

from a2a_node.cli.failures import failures
from a2a_node.cli.options import AS_JSON, Command, command, option, own_options
from a2a_node.cli.show import Screen

if TYPE_CHECKING:
    from a2a_node.client import MeshClient
    from a2a_node.client.cache import Cache

Asking = Callable[..., Coroutine[object, object, None]]

ADDRESS = option("address", str, default="", help="The node to ask.", show_default="A2A_ADDRESS, else 127.0.0.1:50051")


@dataclass(frozen=True, slots=True)
class Desk:
    """What such a command works with."""

    mesh: MeshClient
    screen: Screen
    cache: Cache


def asks_mesh(*more: Parameter) -> Callable[[Asking], Command]:
    """A command from a coroutine that takes a desk first; `more` are options that it takes by name, where given."""

    def made(asking: Asking) -> Command:
        def run(*, address: str, as_json: bool, **own: object) -> None:
            kept = {name: value for name, value in own.items() if value is not None or name not in optional}
            with failures(as_json=as_json):
                asyncio.run(_ask(asking, address, Screen(as_json), kept))

        optional = {parameter.name for parameter in more}
        return command(run, asking, [*own_options(asking), *more, ADDRESS, AS_JSON])

    return made


async def _ask(asking: Asking, address: str, screen: Screen, own: dict[str, object]) -> None:
    from a2a_node.client import MeshClient  # noqa: PLC0415 - slow to import, and `--help` does not need it

    async with MeshClient(address or None) as mesh:
        within = mesh.cache.within(str(own.pop("namespace", "")))
        await asking(Desk(mesh, screen, within), **own)


class ListsByDefault(TyperGroup):
    """A group of commands that lists when it is given none."""

    def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
        """Read `agents --json` as `agents list --json`, but leave a shell that completes the choice."""
        if not ctx.resilient_parsing and (not args or (args[0].startswith("-") and args[0] not in {"--help", "-h"})):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def group(name: str, about: str) -> typer.Typer:
    """A group of commands that lists when it is given none."""
    return typer.Typer(name=name, help=about, cls=ListsByDefault, no_args_is_help=False)
