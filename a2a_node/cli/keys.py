"""`keys` and `token`: who may call, by which key, and for how long."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh, group
from a2a_node.cli.options import option

if TYPE_CHECKING:
    from a2a_node.client.keys import Reach
    from a2a_node.model.keys import ApiKey

keys = group("keys", "API keys: list, create, revoke.")
FOR = option("principal", str | None, "--for", help="Who calls with it, such as `agent:echo`.", show_default="yourself")
ONLY = option("permissions", list[str] | None, "--only", help="What it may be used for; may be given several times.")


@keys.command("list")
@asks_mesh()
async def list_keys(
    desk: Desk,
    principal: Annotated[str, typer.Option("--of", help="Only of this principal.")] = "",
    *,
    ended: Annotated[bool, typer.Option("--all", help="Revoked and expired ones, too.")] = False,
) -> None:
    """List keys, the newest first; nobody can list their secrets."""
    found = [key async for key in desk.mesh.keys.list(principal=principal, include_ended=ended)]
    desk.screen.table([_shown(key) for key in found], [_row(key) for key in found])


@keys.command("create")
@asks_mesh(FOR, ONLY, option("ttl", float | None, help="Seconds that it holds.", show_default="until it is revoked"))
async def create_key(
    desk: Desk,
    name: Annotated[str, typer.Argument(help="Your own name for it, to tell keys apart.")] = "",
    **reach: Unpack[Reach],
) -> None:
    """Make a key, and print it: this is the only time that it is shown."""
    created = await desk.mesh.keys.create(name, **reach)
    desk.screen.document({**_shown(created.key), "secret": created.secret}, created.secret)


@keys.command("revoke")
@asks_mesh()
async def revoke_key(desk: Desk, key_id: Annotated[str, typer.Argument(help="Its id.", metavar="KEY")]) -> None:
    """End a key, with every token and stream that stands on it."""
    key = await desk.mesh.keys.revoke(key_id)
    desk.screen.document(_shown(key), "revoked")


@asks_mesh(FOR, ONLY, option("ttl", float | None, help="Seconds that it holds, up to a day.", show_default="900"))
async def token(
    desk: Desk,
    audience: Annotated[
        list[str] | None, typer.Option(help="Whom it may be shown to.", show_default="this mesh")
    ] = None,
    **reach: Unpack[Reach],
) -> None:
    """Make a short-lived token, and print it alone."""
    made = await desk.mesh.keys.token(audience=audience or (), **reach)
    desk.screen.document({"token": made.token, "id": made.id, "expires_at": made.expires_at}, made.token)


def _shown(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "principal": key.principal,
        "permissions": key.permissions,
        "created_by": key.created_by,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "last_used_at": key.last_used_at,
        "revoked": key.revoked,
        "revoked_at": key.revoked_at,
    }


def _row(key: ApiKey) -> dict[str, object]:
    ends = "never" if key.expires_at is None else f"{key.expires_at:%Y-%m-%d %H:%M:%S}"
    used = "never" if key.last_used_at is None else f"{key.last_used_at:%Y-%m-%d %H:%M}"
    return {
        "id": key.id,
        "name": key.name,
        "principal": key.principal,
        "only": " ".join(key.permissions) or "all",
        "by": key.created_by,
        "used": used,
        "ends": "revoked" if key.revoked else ends,
    }
