"""`workflow watch`, `runs`, `cancel`, `pause`, `resume`, `retry`, `approve` and `reject`: runs, looked at and told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, TypedDict, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh
from a2a_node.cli.flow.told import run_told
from a2a_node.cli.flow.words import mark, span, took
from a2a_node.cli.following import followed
from a2a_node.cli.options import option
from a2a_node.model.runs import Decision, RunFilter, RunStatus

if TYPE_CHECKING:
    from a2a_node.model.runs import Run


class RunsWanted(TypedDict):
    """Which runs; what is empty is not looked at."""

    template: str
    statuses: list[RunStatus]
    created_by: str
    parent: str


FILTERS = (
    option("template", str, default="", help="Only those of this template."),
    option("statuses", list[RunStatus], "--status", default=[], help="Only those that stand so; may be given twice."),
    option("created_by", str, "--by", default="", help="Only those that this principal started."),
    option("parent", str, default="", help="Only those that this run started."),
)
RunId = Annotated[str, typer.Argument(help="The run's id.", metavar="RUN")]
StepId = Annotated[str, typer.Argument(help="The step.", metavar="STEP")]
Since = Annotated[datetime | None, typer.Option(help="Only those recorded from this time on, in UTC.")]
Until = Annotated[datetime | None, typer.Option(help="Only those recorded before this time, in UTC.")]
Comment = Annotated[str, typer.Option(help="Kept with the step.")]


@asks_mesh()
async def watch(
    desk: Desk, run: RunId, after: Annotated[int, typer.Option(help="Only events after this sequence.", min=0)] = 0
) -> None:
    """Follow a run to its end, at another node when the first one is lost; exit code 1 when it does not complete."""
    await followed(desk, run, after)


@asks_mesh(*FILTERS)
async def runs(
    desk: Desk,
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(help="How many at most.", min=1)] = 50,
    **only: Unpack[RunsWanted],
) -> None:
    """List runs, the newest first."""
    statuses = tuple(only["statuses"])
    wanted = RunFilter(only["template"], statuses, only["created_by"], only["parent"], _utc(since), _utc(until))
    found: list[Run] = []
    async for one in desk.mesh.workflows.runs(wanted):
        found.append(one)
        if len(found) == limit:
            break
    desk.screen.table([run_told(one) for one in found], [_row(one) for one in found])


@asks_mesh()
async def cancel(
    desk: Desk,
    run: RunId,
    *,
    reason: Annotated[str, typer.Option(help="Kept with the run, and told to the agents at work.")] = "",
    compensate: Annotated[bool, typer.Option("--compensate", help="Undo what completed steps did.")] = False,
) -> None:
    """End a run: its steps at work are cancelled, and no others begin."""
    _stands(desk, await desk.mesh.workflows.cancel(run, reason, compensate=compensate))


@asks_mesh()
async def pause(desk: Desk, run: RunId) -> None:
    """Let the steps at work finish, and begin no others."""
    _stands(desk, await desk.mesh.workflows.pause(run))


@asks_mesh()
async def resume(desk: Desk, run: RunId) -> None:
    """Let a paused run go on."""
    _stands(desk, await desk.mesh.workflows.resume(run))


@asks_mesh()
async def retry(
    desk: Desk,
    run: RunId,
    step: Annotated[str, typer.Option(help="Only this failed step.", show_default="all that failed")] = "",
    timeout: Annotated[  # noqa: ASYNC109 - of the run
        float | None, typer.Option(help="Seconds that it may still take.", show_default="as long as at first")
    ] = None,
) -> None:
    """Take a failed run up again from its failed steps; completed ones are not run again."""
    _stands(desk, await desk.mesh.workflows.retry(run, step, timeout=timeout))


@asks_mesh()
async def approve(desk: Desk, run: RunId, step: StepId, comment: Comment = "") -> None:
    """Say yes to a step that waits."""
    _stands(desk, await desk.mesh.workflows.approve(run, step, Decision.APPROVE, comment))


@asks_mesh()
async def reject(desk: Desk, run: RunId, step: StepId, comment: Comment = "") -> None:
    """Say no to a step that waits; it fails."""
    _stands(desk, await desk.mesh.workflows.approve(run, step, Decision.REJECT, comment))


def _stands(desk: Desk, run: Run) -> None:
    """How it stands now; what was wished is done by whoever executes it, soon."""
    wish = "cancelling" if run.wishes.cancelling else "pausing" if run.wishes.pausing else ""
    heeded = run.status.terminal or run.status is RunStatus.PAUSED or not wish
    desk.screen.document(run_told(run), f"{run.id} {run.status if heeded else wish}")


def _utc(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(tzinfo=moment.tzinfo or UTC)


def _row(run: Run) -> dict[str, object]:
    seconds = took(run.started_at, run.completed_at, datetime.now(UTC))
    return {
        "run": run.id,
        "name": run.name,
        "template": f"{run.template} {run.template_version}",
        "status": f"{mark(run.status)} {run.status}",
        "steps": f"{run.completed_steps}/{run.total_steps}",
        "took": "" if seconds is None else span(seconds),
        "by": run.created_by,
        "recorded": f"{run.created_at:%Y-%m-%d %H:%M:%S}",
    }
