"""A run on a screen: told as it stands, or followed, with bars on a terminal and a line for each event elsewhere."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from shutil import get_terminal_size
from typing import TYPE_CHECKING

import typer

from a2a_node.cli.desk import Desk
from a2a_node.cli.failures import FAILED
from a2a_node.cli.flow.bars import bars
from a2a_node.cli.flow.following import Following
from a2a_node.cli.flow.timeline import step_whole, timeline
from a2a_node.cli.flow.told import event_told, run_told
from a2a_node.cli.flow.words import cut
from a2a_node.cli.show import WIDE
from a2a_node.model.runs import RunStatus

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderResult

A_SECOND = 8  # how often bars are drawn


async def followed(desk: Desk, run_id: str, after: int = 0) -> None:
    """Follow a run to its end, at another node where the first one is lost; exit code 1 when it did not complete."""
    run = await desk.mesh.workflows.run(run_id)
    following = Following(run) if after else Following.of_all(run)
    if sys.stdout.isatty() and not desk.screen.as_json:
        await _drawn(desk, following, after)
    else:
        await _lines(desk, following, after)
    if following.stale:
        following.told(await desk.mesh.workflows.run(run_id))
    if following.run.status is not RunStatus.COMPLETED:
        raise typer.Exit(FAILED)


async def show_run(desk: Desk, run_id: str, step: str) -> None:
    """Tell a run from its begin to now, or one step of it whole."""
    run = await desk.mesh.workflows.run(run_id, step)
    wide = get_terminal_size((WIDE, 0)).columns
    lines = step_whole(run.steps[0]) if step else timeline(run, datetime.now(UTC), wide)
    desk.screen.document(run_told(run), "\n".join(lines))


async def _lines(desk: Desk, following: Following, after: int) -> None:
    async for event in desk.mesh.workflows.watch(following.run.id, after):
        if words := following.seen(event):
            desk.screen.line(event_told(event), words)


async def _drawn(desk: Desk, following: Following, after: int) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import, and only terminals need it
    from rich.live import Live  # noqa: PLC0415 - as above

    with Live(_Board(following), console=Console(), refresh_per_second=A_SECOND):
        async for event in desk.mesh.workflows.watch(following.run.id, after):
            following.seen(event)
            if following.stale:
                following.told(await desk.mesh.workflows.run(following.run.id))


@dataclass(frozen=True, slots=True)
class _Board:
    """The bars of a run as they are now, whenever they are drawn."""

    following: Following

    def __rich_console__(self, console: Console, _: ConsoleOptions) -> RenderResult:
        from rich.text import Text  # noqa: PLC0415 - as above

        size = (console.size.width, console.size.height)
        for text, colour in bars(self.following.run, self.following.said, datetime.now(UTC), size):
            yield Text(cut(text, size[0]), style=colour, no_wrap=True)
