"""`workflow`: templates, looked at, put, listed and planned; what is told of runs comes from `runs` and `starting`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, TypedDict, Unpack

import typer

from a2a_node.cli.desk import Desk, asks_mesh
from a2a_node.cli.failures import FAILED, failures
from a2a_node.cli.flow.templates import planned_row, planned_told, problem_told, version_row, version_told
from a2a_node.cli.following import show_run
from a2a_node.cli.graphs import graph, is_run
from a2a_node.cli.inputs import JSON_HELP, given_object, given_source
from a2a_node.cli.options import AsJson, option
from a2a_node.cli.runs import approve, cancel, pause, reject, resume, retry, runs, watch
from a2a_node.cli.show import Screen
from a2a_node.cli.starting import run

if TYPE_CHECKING:
    from a2a_node.model.workflows import Problem

workflow = typer.Typer(
    help="Workflows: templates, linted, put and planned; their runs, started, followed, drawn and told what to do.",
    no_args_is_help=True,
)


class Which(TypedDict):
    """What to show of a template, or of a run."""

    version: int
    step: str


File = Annotated[str, typer.Argument(help="A file of YAML or JSON, or `-` for stdin.", metavar="FILE")]
Inputs = Annotated[str, typer.Argument(help=JSON_HELP, metavar="INPUTS")]


@workflow.command()
def lint(
    files: Annotated[list[str], typer.Argument(help="Files of YAML or JSON, or `-` for stdin.", metavar="FILE...")],
    *,
    mesh: Annotated[bool, typer.Option("--mesh", help="Ask a node, too: about agents and other templates.")] = False,
    address: Annotated[str, typer.Option(help="The node to ask.", show_default="A2A_ADDRESS")] = "",
    as_json: AsJson = False,
) -> None:
    """Say what is wrong with templates, with line and column; exit code 1 when one has an error. Needs no node."""
    with failures(as_json=as_json):
        found = [(file, problem) for file in files for problem in _linted(given_source(file), address, mesh=mesh)]
    told = [{"file": file, **problem_told(problem)} for file, problem in found]
    Screen(as_json).document(told, "\n".join(f"{file}:{problem}" for file, problem in found) or "no problems")
    if any(problem.severity == "error" for _, problem in found):
        raise typer.Exit(FAILED)


@workflow.command()
@asks_mesh(
    option("tag", str, default="", help="Only those with this tag."),
    option("name", str, default="", help="All versions of this template.", show_default="the newest of each"),
)
async def templates(desk: Desk, **only: str) -> None:
    """List the templates that were put."""
    found = [version async for version in desk.mesh.workflows.templates(**only)]
    desk.screen.table([version_told(version) for version in found], [version_row(version) for version in found])


@workflow.command()
@asks_mesh(
    option("version", int, default=0, help="Which version of a template.", show_default="the newest"),
    option("step", str, default="", help="Only this step of a run, with all of its data."),
)
async def show(
    desk: Desk,
    name: Annotated[str, typer.Argument(help="A run's id, or a template.", metavar="RUN|TEMPLATE")],
    **which: Unpack[Which],
) -> None:
    """Tell a run step by step: inputs, outputs, attempts, durations. Or print a template's source, as it was put."""
    if is_run(name):
        await show_run(desk, name, which["step"])
        return
    found = await desk.mesh.workflows.get(name, which["version"])
    desk.screen.document({**version_told(found), "source": found.source}, found.source.rstrip("\n"))


@workflow.command()
@asks_mesh(option("expected", int | None, help="The newest version there is; 0 for none.", show_default="any"))
async def put(desk: Desk, file: File, **how: int | None) -> None:
    """Keep a template as the next version of its name, for all nodes."""
    done = await desk.mesh.workflows.put(given_source(file), **how)
    warnings = [f"{file}:{problem}" for problem in done.warnings]
    words = f"{done.version.template.name} version {done.version.version}"
    told = {**version_told(done.version), "warnings": [problem_told(problem) for problem in done.warnings]}
    desk.screen.document(told, "\n".join([*warnings, words]))


@workflow.command()
@asks_mesh()
async def plan(
    desk: Desk,
    template: Annotated[str, typer.Argument(help="A template's name, or `@file`.", metavar="TEMPLATE")],
    inputs: Inputs = "{}",
) -> None:
    """Say how a run would go: waves of steps, who would do them, with what. Nothing is called or changed."""
    given, flows = given_object(inputs), desk.mesh.workflows
    found = await (
        flows.validate(given_source(template[1:]), given) if template.startswith("@") else flows.plan(template, given)
    )
    if found.valid:
        desk.screen.table([planned_told(step) for step in found.plan], [planned_row(step) for step in found.plan])
    for problem in found.problems:
        typer.echo(f"{template}:{problem}", err=True)
    if not found.valid:
        raise typer.Exit(FAILED)


@workflow.command()
def schema(*, as_json: AsJson = False) -> None:
    """Print the JSON Schema of templates, for editors that complete and check."""
    from a2a_node.workflows.schema import template_schema  # noqa: PLC0415 - slow to import, and `--help` needs it not

    Screen(as_json).document(template_schema())


def _linted(source: str, address: str, *, mesh: bool) -> Sequence[Problem]:
    if mesh:
        return asyncio.run(_asked(source, address))
    from a2a_node.workflows.validating import validated  # noqa: PLC0415 - as above

    return validated(source).problems


async def _asked(source: str, address: str) -> Sequence[Problem]:
    from a2a_node.client import MeshClient  # noqa: PLC0415 - as above

    async with MeshClient(address or None) as mesh:
        return (await mesh.workflows.validate(source)).problems


for command in (run, watch, graph, runs, cancel, pause, resume, retry, approve, reject):
    workflow.command()(command)
