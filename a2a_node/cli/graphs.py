"""`workflow graph`: what comes after what, as text and as a picture; of a file, a template or a run."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from a2a_node.cli.failures import FAILED, failures
from a2a_node.cli.flow.boxes import Box, boxes
from a2a_node.cli.flow.rails import rails
from a2a_node.cli.flow.svg import picture
from a2a_node.cli.flow.words import cut, span, took
from a2a_node.cli.inputs import given_source
from a2a_node.cli.options import AsJson
from a2a_node.cli.show import Screen

if TYPE_CHECKING:
    from a2a_node.model.runs import Run
    from a2a_node.model.workflows import Template

MOST_DRAWN = 500  # steps of a picture
ABOUT = 120  # letters of a description
SUFFIXES = {".yaml", ".yml", ".json"}


def graph(
    subject: Annotated[str, typer.Argument(help="A run, a template, or a file of one.", metavar="RUN|TEMPLATE|FILE")],
    *,
    svg: Annotated[Path | None, typer.Option(help="Write it as a picture to this file.", metavar="FILE")] = None,
    address: Annotated[str, typer.Option(help="The node to ask; none for a file.", show_default="A2A_ADDRESS")] = "",
    as_json: AsJson = False,
) -> None:
    """Draw what comes after what, and how the steps of a run stand. Lines lead down to each step from what it needs."""
    with failures(as_json=as_json):
        found = _file(subject) if is_file(subject) else asyncio.run(_asked(subject, address))
    template, run = found
    drawn = boxes(template, run, datetime.now(UTC))
    title, about = _head(template, run)
    if svg:
        _write(svg, drawn, title, about)
    else:
        Screen(as_json).document([_told(box) for box in drawn], "\n".join([title, about, "", *rails(drawn)]))


def is_file(subject: str) -> bool:
    """Whether a word means a file, and neither a run nor a template: by its end, a slash in it, or for stdin."""
    return subject == "-" or "/" in subject or Path(subject).suffix in SUFFIXES


def is_run(subject: str) -> bool:
    """Whether a word is the id of a run, which is a UUID."""
    try:
        return str(UUID(subject)) == subject.lower()
    except ValueError:
        return False


def _file(file: str) -> tuple[Template, Run | None]:
    from a2a_node.workflows.validating import validated  # noqa: PLC0415 - slow to import, and `--help` needs it not

    found = validated(given_source(file))
    for problem in found.errors:
        typer.echo(f"{file}:{problem}", err=True)
    if found.errors or found.template is None:
        raise typer.Exit(FAILED)
    return found.template, None


async def _asked(subject: str, address: str) -> tuple[Template, Run | None]:
    from a2a_node.client import MeshClient  # noqa: PLC0415 - as above

    async with MeshClient(address or None) as mesh:
        if not is_run(subject):
            return (await mesh.workflows.get(subject)).template, None
        run = await mesh.workflows.run(subject)
        return (await mesh.workflows.get(run.template, run.template_version)).template, run


def _head(template: Template, run: Run | None) -> tuple[str, str]:
    """A title, and a line about it."""
    if run is None:
        count = len(template.steps)
        return template.name, " · ".join(
            filter(None, (f"{count} step{'s' * (count != 1)}", cut(template.description, ABOUT)))
        )
    words = [str(run.status), f"{run.completed_steps} of {run.total_steps} steps"]
    if (seconds := took(run.started_at, run.completed_at, datetime.now(UTC))) is not None:
        words.append(span(seconds))
    return f"{run.name} {run.id}", " · ".join([*words, f"{run.template} version {run.template_version}"])


def _write(file: Path, drawn: Sequence[Box], title: str, about: str) -> None:
    if len(drawn) > MOST_DRAWN:
        raise typer.BadParameter(
            f"a picture of {len(drawn):,} steps is none; the most is {MOST_DRAWN}, as text there is no limit"
        )
    try:
        file.write_text(picture(drawn, title, about), encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(f"{str(file)!r} cannot be written: {error.strerror}") from None


def _told(box: Box) -> dict[str, object]:
    """A box for programs."""
    return {
        "step": box.id,
        "wave": box.wave,
        "does": box.does,
        "needs": box.needs,
        "undoes": box.undoes,
        "status": box.status,
        "notes": box.notes,
    }
