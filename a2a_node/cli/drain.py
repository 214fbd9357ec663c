"""`drain`: a node is told to stop, and seen to its end."""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from a2a_node.cli.desk import Desk, asks_mesh
from a2a_node.cli.failures import FAILED
from a2a_node.model.errors import NodeNotFound, NodeUnreachable
from a2a_node.model.nodes import NodeStatus

if TYPE_CHECKING:
    from a2a_node.client.nodes import Drain

WAIT = 1.0  # seconds between looks at what is left
LEAVING = 30.0  # seconds that a node gets to close and leave the mesh once it has drained
LOOK = 0.2  # seconds between looks whether it has left


@asks_mesh()
async def drain(
    desk: Desk,
    node_id: Annotated[str, typer.Argument(help="The node's id.", show_default="the node that is asked")] = "",
    timeout: Annotated[float | None, typer.Option(help="Seconds that running calls get.")] = None,  # noqa: ASYNC109 - the node's time
) -> None:
    """Tell a node to take no new calls, finish those that run, and end; wait until it has.

    The exit code is 1 where calls were cut off, and where the node did not leave.
    """
    seen: Drain | None = await desk.mesh.nodes.drain(node_id, timeout)
    name, left = seen.node.id if seen else node_id, -1
    while seen is not None:
        left = _told(desk, seen, left)
        seen = None if seen.drained else await _look(desk, name)
    gone = await _gone(desk, name)
    words = f"{name} is gone" if gone else f"{name} has not left after {LEAVING:g} s"
    cut = max(0, left)
    desk.screen.line(
        {"node": name, "status": "gone" if gone else "draining", "running_calls": cut},
        f"{words}; calls that were cut off: {cut}" if cut else words,
    )
    if cut or not gone:
        raise typer.Exit(FAILED)


def _told(desk: Desk, seen: Drain, before: int) -> int:
    """Say how many calls are left, where that is news."""
    left = seen.running_calls
    if left != before:
        said = {"node": seen.node.id, "status": seen.node.status, "running_calls": left}
        desk.screen.line(said, f"{seen.node.id} is {seen.node.status}, calls left: {left}")
    return left


async def _look(desk: Desk, name: str) -> Drain | None:
    """How far it is; None when nobody answers any more."""
    try:
        return await desk.mesh.nodes.drain(name, wait=WAIT)
    except (NodeUnreachable, NodeNotFound):
        return None


async def _gone(desk: Desk, name: str) -> bool:
    """Whether it leaves in time."""
    until = monotonic() + LEAVING
    while monotonic() < until:
        try:
            if (await desk.mesh.nodes.get(name)).node.status is NodeStatus.GONE:
                return True
        except (NodeUnreachable, NodeNotFound):  # it was the one that was asked
            return True
        await asyncio.sleep(LOOK)
    return False
