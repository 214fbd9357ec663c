"""`workflow run`: a run started, of a template or of a file that is put first, and followed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, TypedDict, Unpack

import orjson
import typer

from a2a_node.cli.desk import Desk, asks_mesh
from a2a_node.cli.flow.told import run_told
from a2a_node.cli.following import followed
from a2a_node.cli.graphs import is_file
from a2a_node.cli.inputs import JSON_HELP, given_object, given_source
from a2a_node.cli.options import option

if TYPE_CHECKING:
    from a2a_node.model.workflows import Template, TemplateVersion

Subject = Annotated[
    str, typer.Argument(help="A template, or a file of one, which is put first.", metavar="TEMPLATE|FILE")
]
Detach = Annotated[bool, typer.Option("--detach", "-d", help="Only start it, and print its id.")]


class RunOptions(TypedDict, total=False):
    """What a run is given besides its inputs."""

    pairs: list[str]
    context: str
    name: str
    timeout: float


OPTIONS = (
    option(
        "pairs",
        list[str],
        "--input",
        "-i",
        default=[],
        help="One input, on top of INPUTS: text where the template says so, JSON or else text elsewhere.",
        metavar="NAME=VALUE",
    ),
    option("context", str, default="{}", help=f"What every step can read as `context`: {JSON_HELP}", metavar="JSON"),
    option("name", str, default="", help="The run's own name.", show_default="the template's"),
    option("timeout", float | None, help="Seconds that the run may take.", show_default="what the template says"),
)


@asks_mesh(*OPTIONS)
async def run(
    desk: Desk,
    template: Subject,
    inputs: Annotated[str, typer.Argument(help=JSON_HELP, metavar="INPUTS")] = "{}",
    *,
    detach: Detach = False,
    **options: Unpack[RunOptions],
) -> None:
    """Start a run and follow it to its end; exit code 1 when it does not complete. It goes on when you stop looking."""
    from a2a_node.client.runs import RunTerms  # noqa: PLC0415 - slow to import, and `--help` needs it not

    given, context = given_object(inputs), given_object(options["context"])
    version = await _version(desk, template)
    started = await desk.mesh.workflows.start(
        version.template.name,
        {**given, **dict(_pair(pair, version.template) for pair in options["pairs"])},
        RunTerms(version.version, options["name"], context=context, timeout=options.get("timeout")),
    )
    if detach:
        desk.screen.document(run_told(started), started.id)
        return
    typer.echo(f"run {started.id}", err=True)
    await followed(desk, started.id)


async def _version(desk: Desk, subject: str) -> TemplateVersion:
    """The template to run; that of a file is put."""
    if not is_file(subject):
        return await desk.mesh.workflows.get(subject)
    done = await desk.mesh.workflows.put(given_source(subject))
    for problem in done.warnings:
        typer.echo(f"{subject}:{problem}", err=True)
    return done.version


def _pair(pair: str, template: Template) -> tuple[str, object]:
    """The name and value of one input; typer.BadParameter when it has none."""
    name, equals, text = pair.partition("=")
    if not equals:
        raise typer.BadParameter(f"{pair[:80]!r} is no input, such as `--input name=value`")
    wanted = next((one.schema.get("type") for one in template.inputs if one.name == name), None)
    try:
        return name, text if wanted == "string" else orjson.loads(text)
    except orjson.JSONDecodeError:
        return name, text
