"""`limits`: how fast callers may call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from a2a_node.cli.desk import Desk, asks_mesh, group
from a2a_node.cli.options import option
from a2a_node.model.limits import Limit, LimitKey, written_rate

if TYPE_CHECKING:
    from a2a_node.client.limits import Bucket

limits = group("limits", "How fast callers may call: list, set, get, reset.")
KEY = (
    option("principal", str, "--for", default="", help="Who calls, such as person:ada.", show_default="everybody"),
    option("agent", str, default="", help="The agent that is called.", show_default="every agent"),
    option("capability", str, default="", help="The capability that is called.", show_default="every one"),
)


@limits.command("list")
@asks_mesh(*KEY)
async def list_limits(desk: Desk, **key: str) -> None:
    """List the limits that were set."""
    found = [limit async for limit in desk.mesh.limits.list(LimitKey(**key))]
    desk.screen.table([_told(limit) for limit in found], [_row(limit) for limit in found])


@limits.command("set")
@asks_mesh(*KEY)
async def set_limit(
    desk: Desk, limit: Annotated[str, typer.Argument(help="Such as `50/s burst 100`; per s, m or h.")], **key: str
) -> None:
    """Set the limit of a key, in place of the one there."""
    rate = written_rate("limit", limit)
    made = await desk.mesh.limits.set(rate.rate, rate.burst, LimitKey(**key))
    desk.screen.document(_told(made), str(made.rate))


@limits.command("get")
@asks_mesh(*KEY)
async def get_limit(desk: Desk, **key: str) -> None:
    """Say which limit applies, and how full the bucket is where there is exactly one."""
    found = await desk.mesh.limits.get(LimitKey(**key))
    told = {"limit": _told(found.limit), "bucket": found.bucket}
    desk.screen.document(told, f"{found.limit.rate} ({_said(found.limit)}){_state(found.bucket)}")


@limits.command("reset")
@asks_mesh(*KEY)
async def reset_limit(desk: Desk, **key: str) -> None:
    """Forget the limit of a key, so that the next less exact one applies."""
    removed, left = await desk.mesh.limits.reset(LimitKey(**key))
    desk.screen.document(
        {"removed": removed, "limit": _told(left)}, f"{'removed' if removed else 'none was set'}; {left.rate} applies"
    )


def _told(limit: Limit) -> dict[str, object]:
    """The limit for programs."""
    return {
        "key": limit.key._asdict(),
        "rate": limit.rate.rate,
        "burst": limit.rate.burst,
        "source": limit.source,
        "updated_by": limit.updated_by,
        "updated_at": limit.updated_at,
    }


def _row(limit: Limit) -> dict[str, object]:
    return {
        "principal": limit.key.principal or "*",
        "agent": limit.key.agent or "*",
        "capability": limit.key.capability or "*",
        "rate": f"{limit.rate.rate:g}/s",
        "burst": limit.rate.burst,
        "by": limit.updated_by,
        "set": f"{limit.updated_at:%Y-%m-%d %H:%M:%S}" if limit.updated_at else "",
    }


def _said(limit: Limit) -> str:
    return {"default": "the default", "capability": "declared by the agent"}.get(
        limit.source.value, f"set by {limit.updated_by} for {' '.join(part or '*' for part in limit.key)}"
    )


def _state(bucket: Bucket | None) -> str:
    if bucket is None:
        return ""
    kept = "this node's own share: redis is away" if bucket.fallback else f"{bucket.leased:g} leased to nodes"
    wait = f", empty for {bucket.retry_after:.3g} s" if bucket.retry_after else ""
    return f"; {bucket.available:.1f} tokens, {kept}{wait}"
