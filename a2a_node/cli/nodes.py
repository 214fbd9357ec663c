"""`nodes`: the processes that make up the mesh."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Annotated

import typer

from a2a_node.cli.desk import Desk, asks_mesh, group
from a2a_node.model.nodes import NodeStatus

if TYPE_CHECKING:
    from a2a_node.client import NodeEntry

nodes = group("nodes", "Nodes of the mesh: list, show.")
NodeId = Annotated[str, typer.Argument(help="The node's id.", show_default="the node that is asked")]


@nodes.command("list")
@asks_mesh()
async def list_nodes(
    desk: Desk,
    status: Annotated[NodeStatus | None, typer.Option(help="Only nodes that stand so.")] = None,
    region: Annotated[str, typer.Option(help="Only nodes of this region.")] = "",
) -> None:
    """List nodes by id."""
    entries = [entry async for entry in desk.mesh.nodes.list(status=status, region=region)]
    desk.screen.table([described(entry) for entry in entries], [_row(entry) for entry in entries])


@nodes.command("show")
@asks_mesh()
async def show_node(desk: Desk, node_id: NodeId = "") -> None:
    """Show all that is known of a node."""
    desk.screen.document(described(await desk.mesh.nodes.get(node_id)))


def described(entry: NodeEntry) -> dict[str, object]:
    """All that is known of a node, in one object."""
    known = {field.name: getattr(entry.node, field.name) for field in fields(entry.node)}
    return {**known, "instance_count": entry.instance_count}


def _row(entry: NodeEntry) -> dict[str, object]:
    node = entry.node
    return {
        "id": node.id,
        "status": node.status,
        "address": node.address,
        "place": "/".join(filter(None, (node.region, node.zone))),
        "version": node.version,
        "instances": entry.instance_count,
        "started": f"{node.started_at:%Y-%m-%d %H:%M:%S}" if node.started_at else "",
    }
