"""`db`: the schema of the mesh's database, looked at and brought up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING

import typer

from a2a_node.cli.options import AsJson, Command
from a2a_node.cli.settings import takes_settings
from a2a_node.cli.show import Screen

if TYPE_CHECKING:
    from a2a_node.settings import Settings

Asking = Callable[[str, Screen], Coroutine[object, object, None]]

database = typer.Typer(help="The schema of the database: current, history, upgrade.", no_args_is_help=True)


def asks_database(asking: Asking) -> Command:
    """A command from a coroutine that takes the URL of the database and the screen."""

    def ask(settings: Settings, *, as_json: AsJson = False) -> None:
        asyncio.run(_ask(asking, settings, Screen(as_json)))

    ask.__name__, ask.__doc__ = asking.__name__, asking.__doc__
    return takes_settings("data_dir", "postgres_url")(ask)


@database.command()
@asks_database
async def current(url: str, screen: Screen) -> None:
    """Show the schema that the database has, and the newest that this software knows."""
    from a2a_node.store import migrate  # noqa: PLC0415 - slow to import, and `--help` does not need it

    found = await migrate.current(url)
    newest = "the newest" if found == migrate.HEAD else f"the newest is {migrate.HEAD}"
    screen.document({"current": found, "newest": migrate.HEAD}, f"{found or 'none'} ({newest})")


@database.command()
@asks_database
async def history(url: str, screen: Screen) -> None:
    """List the steps of the schema, and which of them the database has made."""
    from a2a_node.store import migrate  # noqa: PLC0415 - as above

    steps = await migrate.history(url)
    screen.table(
        steps, [{"step": it.revision, "made": "yes" if it.applied else "no", "about": it.about} for it in steps]
    )


@database.command()
@asks_database
async def upgrade(url: str, screen: Screen) -> None:
    """Bring the schema up to date, as every node does when it starts."""
    from a2a_node.store import migrate  # noqa: PLC0415 - as above

    before = await migrate.current(url)
    await migrate.upgrade(url)
    screen.document({"before": before, "now": migrate.HEAD}, f"{before or 'none'} -> {migrate.HEAD}")


async def _ask(asking: Asking, settings: Settings, screen: Screen) -> None:
    from a2a_node.cli.stores import database_url  # noqa: PLC0415 - as above

    async with database_url(settings) as url:
        await asking(url, screen)
