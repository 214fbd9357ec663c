"""`freeze`, `unfreeze` and `freezes`: the kill switch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh
from a2a_node.cli.options import option

if TYPE_CHECKING:
    from a2a_node.client.freezes import FreezeState, FreezeTerms
    from a2a_node.model.freezes import Unconfirmed

WHAT = "`agent:NAME`, a principal such as `person:ada`, or `call:ID` for the tree that began with this call."
Target = Annotated[str, typer.Argument(help=WHAT, metavar="TARGET")]


@asks_mesh(
    option("ttl", float | None, help="Seconds that it holds.", show_default="until it is lifted"),
    option("wait", float | None, help="Seconds to wait until all has stopped, up to 30.", show_default="2"),
)
async def freeze(
    desk: Desk,
    target: Target,
    reason: Annotated[str, typer.Option(help="Why; those who are refused are told.")] = "stopped by hand",
    **how: Unpack[FreezeTerms],
) -> None:
    """Stop an agent, a principal or a call tree everywhere; prints what each node has confirmed, and what not."""
    frozen = await desk.mesh.freezes.freeze(target, reason, **how)
    desk.screen.document(frozen, "\n".join([frozen.freeze.id, *_lines(frozen)]))


@asks_mesh()
async def unfreeze(desk: Desk, freeze_id: Annotated[str, typer.Argument(help="Its id.", metavar="FREEZE")]) -> None:
    """Lift a freeze; what it stopped stays stopped."""
    lifted = await desk.mesh.freezes.unfreeze(freeze_id)
    desk.screen.document(lifted, "lifted")


@asks_mesh()
async def freezes(
    desk: Desk,
    target: Annotated[str, typer.Option("--of", help=f"Only of {WHAT}")] = "",
    *,
    lifted: Annotated[bool, typer.Option("--all", help="Lifted and expired ones, too.")] = False,
) -> None:
    """List freezes, the newest first, with what the nodes have confirmed."""
    found = [one async for one in desk.mesh.freezes.list(target, include_lifted=lifted)]
    desk.screen.table(found, [_row(one) for one in found])


def _lines(frozen: FreezeState) -> list[str]:
    """What each node says, and below it the calls that it cannot confirm."""
    return [
        line
        for one, said in zip(frozen.nodes, _nodes(frozen), strict=True)
        for line in (said, *(f"  {_unconfirmed(call)}" for call in one.unconfirmed))
    ]


def _unconfirmed(one: Unconfirmed) -> str:
    how = "is not heard of any more: look at its process" if one.lost else "has not confirmed its end"
    return f"{one.agent} {one.instance or '(not picked yet)'}, call {one.call}: {how}"


def _nodes(frozen: FreezeState) -> list[str]:
    return [
        f"{one.node}: {one.stopped} stopped, {one.stopping} stopping" if one.enforced else f"{one.node}: not confirmed"
        for one in frozen.nodes
    ]


def _row(frozen: FreezeState) -> dict[str, object]:
    one = frozen.freeze
    return {
        "id": one.id,
        "what": str(one.target),
        "reason": one.reason,
        "by": one.created_by,
        "since": f"{one.created_at:%Y-%m-%d %H:%M:%S}",
        "nodes": ", ".join(_nodes(frozen)),
    }
