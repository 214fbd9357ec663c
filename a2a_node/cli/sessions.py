"""`sessions`: the state that the calls of one conversation share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh, group
from a2a_node.cli.inputs import JSON_HELP, Given, given_object
from a2a_node.cli.options import option

if TYPE_CHECKING:
    from a2a_node.model.state import Session

sessions = group("sessions", "Sessions: list, show, create, update, touch, delete.")
Id = Annotated[str, typer.Argument(help="The session's id.", metavar="SESSION")]
Data = Annotated[str, typer.Argument(help=JSON_HELP, metavar="DATA")]

USER = option("user_id", str | None, "--user", help="Whose session it is.")
AGENT = option("agent_id", str | None, "--agent", help="Which agent it belongs to.")
TTL = option("ttl", float | None, help="Seconds that it lives after each use.", show_default="24 hours")
ID = option("session_id", str | None, "--id", help="An id of your own.", show_default="one that cannot be guessed")


class Labels(TypedDict, total=False):
    """What sessions are found by."""

    user_id: str
    agent_id: str


class Start(Labels, total=False):
    """What a session may start with besides its data."""

    ttl: float
    session_id: str


@sessions.command("list")
@asks_mesh(USER, AGENT)
async def list_sessions(desk: Desk, **only: Unpack[Labels]) -> None:
    """List live sessions, the newest first, without their data."""
    found = [session async for session in desk.mesh.sessions.list(**only)]
    desk.screen.table(found, [_row(session) for session in found])


@sessions.command("show")
@asks_mesh()
async def show_session(desk: Desk, session_id: Id) -> None:
    """Show a session with its data, without keeping it alive."""
    desk.screen.document(await desk.mesh.sessions.get(session_id, peek=True))


@sessions.command("create")
@asks_mesh(USER, AGENT, TTL, ID)
async def create_session(desk: Desk, data: Data = "{}", **start: Unpack[Start]) -> None:
    """Start a session and print its id."""
    session = await desk.mesh.sessions.create(given_object(data), **start)
    desk.screen.document(session, session.id)


@sessions.command("update")
@asks_mesh()
async def update_session(
    desk: Desk,
    session_id: Id,
    data: Given,
    expect: Annotated[str, typer.Option(help="The version that you saw, or `any` to write over what is there.")],
    *,
    merge: Annotated[bool, typer.Option("--merge", help="Change the given keys only; null removes one.")] = False,
) -> None:
    """Replace the data of a session, unless somebody changed it in between."""
    expected = None if expect == "any" else _version(expect)
    changed = await desk.mesh.sessions.update(session_id, given_object(data), expected=expected, merge=merge)
    desk.screen.document(changed, f"{changed.id} is at version {changed.version}")


@sessions.command("touch")
@asks_mesh()
async def touch_session(
    desk: Desk, session_id: Id, ttl: Annotated[float | None, typer.Option(help="Another span, in seconds.")] = None
) -> None:
    """Keep a session alive."""
    session = await desk.mesh.sessions.touch(session_id, ttl)
    desk.screen.document(session, f"{session.id} lives until {session.expires_at:%Y-%m-%d %H:%M:%S} UTC")


@sessions.command("delete")
@asks_mesh()
async def delete_session(desk: Desk, session_id: Id) -> None:
    """End a session."""
    deleted = await desk.mesh.sessions.delete(session_id)
    desk.screen.document({"deleted": deleted}, "deleted" if deleted else "there was none")


def _version(text: str) -> int:
    if not text.isdecimal():
        raise typer.BadParameter(f"{text!r} is no version: give a number, or `any`")
    return int(text)


def _row(session: Session) -> dict[str, object]:
    return {
        "id": session.id,
        "user": session.user_id,
        "agent": session.agent_id,
        "version": session.version,
        "last used": f"{session.last_accessed:%Y-%m-%d %H:%M:%S}",
        "expires": f"{session.expires_at:%Y-%m-%d %H:%M:%S}",
    }
