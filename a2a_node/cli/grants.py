"""`grants`: who may do what, who asks to, and whether somebody may."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh, group
from a2a_node.cli.failures import FAILED
from a2a_node.cli.inputs import given_object
from a2a_node.cli.options import option
from a2a_node.model.grants import RequestStatus

if TYPE_CHECKING:
    from a2a_node.client.grants import Bounds, GrantsWanted, Terms
    from a2a_node.model.grants import Grant, PermissionRequest

grants = group("grants", "Permissions: list, add, revoke, check, request, requests, approve, deny.")
Principal = Annotated[str, typer.Argument(help="Who: `person:ada`, `agent:echo` or `node:n1`.", metavar="PRINCIPAL")]
Permission = Annotated[str, typer.Argument(help="What: `agent:echo:invoke`, `agent:*:invoke`, `registry:read`.")]
GrantId = Annotated[str, typer.Argument(help="The grant's id.", metavar="GRANT")]
RequestId = Annotated[str, typer.Argument(help="The request's id.", metavar="REQUEST")]
Comment = Annotated[str, typer.Option(help="A word to whoever asked.")]

TTL = option("ttl", float | None, help="Seconds that it holds.", show_default="as long as the grant above it")
WHEN = option(
    "conditions", list[str] | None, "--when", help="A CEL condition, such as `uses < 100`; may be given several times."
)
FILTERS = (
    option("granted_to", str | None, "--to", help="Only what this principal has."),
    option("granted_by", str | None, "--by", help="Only what this principal gave."),
    option("permission", str | None, help="Only what would allow this."),
    option("parent_grant_id", str | None, "--under", help="Only what hangs directly from this grant."),
    option("include_ended", bool | None, "--all", help="Revoked and expired ones, too."),
)


@grants.command("list")
@asks_mesh(*FILTERS)
async def list_grants(desk: Desk, **only: Unpack[GrantsWanted]) -> None:
    """List grants, the newest first."""
    found = [grant async for grant in desk.mesh.grants.list(**only)]
    desk.screen.table(found, [_row(grant) for grant in found])


@grants.command("add")
@asks_mesh(
    option("depth", int | None, help="How many times it may be handed on.", show_default="not at all"),
    TTL,
    WHEN,
    option("parent", str | None, "--under", help="The grant to hang it from.", show_default="the widest that fits"),
)
async def add_grant(desk: Desk, principal: Principal, permission: Permission, **terms: Unpack[Terms]) -> None:
    """Give a principal a permission, and print the grant's id."""
    grant = await desk.mesh.grants.give(principal, permission, **terms)
    desk.screen.document(grant, grant.id)


@grants.command("revoke")
@asks_mesh()
async def revoke_grant(desk: Desk, grant_id: GrantId) -> None:
    """Take a grant back, with all that hangs from it."""
    ended = await desk.mesh.grants.revoke(grant_id)
    desk.screen.document({"revoked": ended}, f"{ended} revoked" if ended else "it was revoked before")


@grants.command("check")
@asks_mesh()
async def check(
    desk: Desk,
    permission: Permission,
    principal: Annotated[str, typer.Option("--for", help="Who.", show_default="whose key this is")] = "",
    acting_for: Annotated[list[str] | None, typer.Option(help="In whose name, the first caller first.")] = None,
    context: Annotated[str, typer.Option(help="What conditions see as `context`: JSON, `@file`, or `-`.")] = "{}",
) -> None:
    """Say whether something may be done now; exit code 1 where it may not."""
    found = await desk.mesh.grants.check(
        permission, principal, acting_for=acting_for or (), context=given_object(context)
    )
    desk.screen.document(found, f"{'yes' if found.allowed else 'no'}: {found.explanation}")
    if not found.allowed:
        raise typer.Exit(FAILED)


@grants.command("request")
@asks_mesh()
async def request_permission(
    desk: Desk,
    permission: Permission,
    why: Annotated[str, typer.Option(help="What it is needed for.")],
    ttl: Annotated[float | None, typer.Option(help="For how many seconds.", show_default="for good")] = None,
) -> None:
    """Ask for a permission, and print the request's id."""
    asked = await desk.mesh.grants.ask(permission, why, ttl=ttl)
    desk.screen.document(asked, asked.id)


@grants.command("requests")
@asks_mesh()
async def list_requests(
    desk: Desk,
    requester: Annotated[str, typer.Option("--from", help="Only of this principal.")] = "",
    status: Annotated[RequestStatus | None, typer.Option(help="Only those that stand so.")] = None,
) -> None:
    """List requests for permissions, the newest first."""
    found = [asked async for asked in desk.mesh.grants.requests(requester=requester, status=status)]
    desk.screen.table(found, [_request_row(asked) for asked in found])


@grants.command("approve")
@asks_mesh(TTL, WHEN)
async def approve(desk: Desk, request_id: RequestId, comment: Comment = "", **bounds: Unpack[Bounds]) -> None:
    """Give what a request asks for, and print the grant's id."""
    decided = await desk.mesh.grants.decide(request_id, approve=True, comment=comment, **bounds)
    desk.screen.document(decided, decided.grant)


@grants.command("deny")
@asks_mesh()
async def deny(desk: Desk, request_id: RequestId, comment: Comment = "") -> None:
    """Say no to a request."""
    decided = await desk.mesh.grants.decide(request_id, approve=False, comment=comment)
    desk.screen.document(decided, "denied")


def _row(grant: Grant) -> dict[str, object]:
    ends = "never" if grant.expires_at is None else f"{grant.expires_at:%Y-%m-%d %H:%M:%S}"
    return {
        "id": grant.id,
        "to": grant.granted_to,
        "permission": grant.permission,
        "by": grant.granted_by,
        "depth": grant.depth,
        "when": " and ".join(grant.conditions) or "always",
        "ends": "revoked" if grant.revoked else ends,
        "under": grant.parent,
    }


def _request_row(asked: PermissionRequest) -> dict[str, object]:
    return {
        "id": asked.id,
        "from": asked.requester,
        "permission": asked.permission,
        "why": asked.justification,
        "status": asked.status.value,
        "asked": f"{asked.created_at:%Y-%m-%d %H:%M:%S}",
    }
