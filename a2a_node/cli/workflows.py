"""`workflow`: templates, looked at, put, listed and planned. Runs are not served yet, and no command pretends so."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from a2a_node.cli.desk import Desk, asks_mesh
from a2a_node.cli.failures import FAILED, failures
from a2a_node.cli.inputs import JSON_HELP, given_object
from a2a_node.cli.options import AsJson, option
from a2a_node.cli.show import Screen

if TYPE_CHECKING:
    from a2a_node.model.workflows import PlannedStep, Problem, TemplateVersion, Work

workflow = typer.Typer(
    help="Templates of workflows: lint, put, templates, show, plan, schema. A node cannot run them yet.",
    no_args_is_help=True,
)
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
        found = [(file, problem) for file in files for problem in _linted(_read(file), address, mesh=mesh)]
    told = [{"file": file, **_told(problem)} for file, problem in found]
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
    desk.screen.table([_listed(version) for version in found], [_row(version) for version in found])


@workflow.command()
@asks_mesh(option("version", int, default=0, help="Which version.", show_default="the newest"))
async def show(
    desk: Desk, name: Annotated[str, typer.Argument(help="The template.", metavar="NAME")], **which: int
) -> None:
    """Print the source of a template, as it was put."""
    found = await desk.mesh.workflows.get(name, **which)
    desk.screen.document({**_listed(found), "source": found.source}, found.source.rstrip("\n"))


@workflow.command()
@asks_mesh(option("expected", int | None, help="The newest version there is; 0 for none.", show_default="any"))
async def put(desk: Desk, file: File, **how: int | None) -> None:
    """Keep a template as the next version of its name, for all nodes; it can be planned, and not be run yet."""
    done = await desk.mesh.workflows.put(_read(file), **how)
    warnings = [f"{file}:{problem}" for problem in done.warnings]
    words = f"{done.version.template.name} version {done.version.version}"
    told = {**_listed(done.version), "warnings": [_told(problem) for problem in done.warnings]}
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
        flows.validate(_read(template[1:]), given) if template.startswith("@") else flows.plan(template, given)
    )
    if found.valid:
        desk.screen.table([_planned(step) for step in found.plan], [_plan_row(step) for step in found.plan])
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


def _read(file: str) -> str:
    try:
        return sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{file!r} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"{file!r} is no text in UTF-8") from None


def _told(problem: Problem) -> dict[str, object]:
    """A problem for programs."""
    return {
        "severity": problem.severity,
        "rule": problem.rule,
        "message": problem.message,
        "line": problem.line,
        "column": problem.column,
        "step": problem.step,
    }


def _listed(version: TemplateVersion) -> dict[str, object]:
    """A version for programs, without its source."""
    template = version.template
    return {
        "name": template.name,
        "version": version.version,
        "description": template.description,
        "tags": template.tags,
        "inputs": [{"name": one.name, "required": one.required, "schema": one.schema} for one in template.inputs],
        "schedule": template.schedule,
        "created_by": version.created_by,
        "created_at": version.created_at,
    }


def _row(version: TemplateVersion) -> dict[str, object]:
    template = version.template
    return {
        "name": template.name,
        "version": version.version,
        "inputs": " ".join(one.name if one.required else f"[{one.name}]" for one in template.inputs),
        "schedule": template.schedule,
        "by": version.created_by,
        "put": f"{version.created_at:%Y-%m-%d %H:%M:%S}",
        "description": template.description,
    }


def _planned(planned: PlannedStep) -> dict[str, object]:
    """A planned step for programs."""
    step = planned.step
    return {
        "step": step.id,
        "wave": planned.wave,
        "work": _work(step.work),
        "agents": planned.agents,
        "needs": step.needs,
        "input": planned.input,
        "if": step.condition,
        "foreach": step.foreach,
        "items": planned.items,
        "skipped": planned.skipped,
        "attempts": step.retry.attempts,
        "timeout": step.timeout or None,
    }


def _plan_row(planned: PlannedStep) -> dict[str, object]:
    step = planned.step
    times = f"{'?' if planned.items is None else planned.items} x " if step.foreach else ""
    return {
        "wave": planned.wave,
        "step": step.id,
        "does": "skipped" if planned.skipped else times + _work(step.work),
        "agents": " ".join(planned.agents),
        "if": step.condition,
        "attempts": step.retry.attempts,
        "timeout": f"{step.timeout:g} s" if step.timeout else "",
        "input": ", ".join(f"{name}={value}" for name, value in planned.input.items()),
    }


def _work(work: Work) -> str:
    """What a step does, in a few words."""
    from a2a_node.model.workflows import Approval, SubWorkflow  # noqa: PLC0415 - as above

    if isinstance(work, Approval):
        return f"waits for {work.permission}"
    if isinstance(work, SubWorkflow):
        return f"runs {work.template}"
    called = f"{work.agent}.{work.capability}" if work.agent and work.capability else work.agent or work.capability
    return f"calls {called}" + (f" tagged {work.tag}" if work.tag else "")
