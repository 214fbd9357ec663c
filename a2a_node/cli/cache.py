"""`cache`: values that are kept for a while, and messages on topics."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from a2a_node.cli.desk import Desk, asks_mesh
from a2a_node.cli.failures import FAILED
from a2a_node.cli.inputs import Given, given
from a2a_node.cli.options import option
from a2a_node.cli.show import dumps

if TYPE_CHECKING:
    from a2a_node.client.cache import Missed, Published, Started

cache = typer.Typer(help="Cache: get, set, delete, incr, publish, subscribe.", no_args_is_help=True)
Key = Annotated[str, typer.Argument(help="The name of the value.")]
Topic = Annotated[str, typer.Argument(help="The name of the topic.")]
Ttl = Annotated[float | None, typer.Option(help="Seconds that it is kept.", show_default="an hour")]
within_namespace = asks_mesh(
    option("namespace", str, default="", help="What keeps its names apart from others.", show_default="default")
)


@cache.command("get")
@within_namespace
async def get_value(desk: Desk, key: Key) -> None:
    """Print a value; exit code 1 where there is none."""
    found = await desk.cache.get(key)
    if found is None:
        desk.screen.document(None, f"nothing is kept under {key!r}")
        raise typer.Exit(FAILED)
    desk.screen.document(found if desk.screen.as_json else found.value)


@cache.command("set")
@within_namespace
async def set_value(
    desk: Desk,
    key: Key,
    value: Given,
    ttl: Ttl = None,
    *,
    if_absent: Annotated[bool, typer.Option("--if-absent", help="Only where nothing is kept.")] = False,
) -> None:
    """Keep a value for a while."""
    stored = await desk.cache.set(key, given(value), ttl=ttl, only_if_absent=if_absent)
    desk.screen.document({"stored": stored}, "stored" if stored else "there was one already")


@cache.command("delete")
@within_namespace
async def delete_value(desk: Desk, key: Key) -> None:
    """Forget a value."""
    deleted = await desk.cache.delete(key)
    desk.screen.document({"deleted": deleted}, "deleted" if deleted else "there was none")


@cache.command("incr")
@within_namespace
async def increment_value(
    desk: Desk, key: Key, delta: Annotated[int, typer.Argument(help="What to add.")] = 1, ttl: Ttl = None
) -> None:
    """Add to a whole number, and print what it is then."""
    number = await desk.cache.increment(key, delta, ttl=ttl)
    desk.screen.document({"value": number}, str(number))


@cache.command("publish")
@within_namespace
async def publish(desk: Desk, topic: Topic, value: Given) -> None:
    """Send a message to all who follow a topic, and print its id."""
    number = await desk.cache.publish(topic, given(value))
    desk.screen.document({"id": number}, str(number))


@cache.command("subscribe")
@within_namespace
async def subscribe(
    desk: Desk,
    topic: Topic,
    after: Annotated[int | None, typer.Option(help="Begin after this id.", show_default="the next message")] = None,
) -> None:
    """Follow a topic until interrupted, one message a line."""
    async for event in desk.cache.subscribe(topic, after):
        _say(desk, event)


def _say(desk: Desk, event: Started | Published | Missed) -> None:
    """For programs every event; for people the messages, and a word about those that are lost."""
    from a2a_node.client.cache import Missed, Started  # noqa: PLC0415 - slow to import, and loaded by now

    if isinstance(event, Missed):
        words = f"messages {event.first_id} to {event.last_id} are no longer kept"
    elif isinstance(event, Started):
        words = ""
    else:
        words = event.value if isinstance(event.value, str) else dumps(event.value)
    if words or desk.screen.as_json:
        desk.screen.line({"kind": type(event).__name__.lower(), **asdict(event)}, words)
