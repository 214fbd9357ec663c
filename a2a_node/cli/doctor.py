"""`doctor`: says what is wrong, and what to do about it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from a2a_node.cli.failures import FAILED
from a2a_node.cli.options import AsJson
from a2a_node.cli.settings import takes_settings
from a2a_node.cli.show import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from a2a_node.cli.checks.finding import Finding
    from a2a_node.settings import Settings

Production = Annotated[
    bool, typer.Option("--production", help="Check the items of docs/PRODUCTION_DEPLOYMENT_CHECKLIST.md, too.")
]
COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@takes_settings()
def doctor(settings: Settings, *, production: Production = False, as_json: AsJson = False) -> None:
    """Look at this machine and its node, say what is wrong and what to do; exit code 1 if something has to be done.

    Give it what `serve` is given, best as the same A2A_* variables. With `--production` each finding has the name of
    its item in the checklist; warnings are left to your judgement.
    """
    findings = asyncio.run(_findings(settings, production=production))
    screen = Screen(as_json)
    if as_json:
        screen.document(findings)
    else:
        for finding in findings:
            typer.echo(_line(finding))
    if any(finding.state == "fail" for finding in findings):
        raise typer.Exit(FAILED)


async def _findings(settings: Settings, *, production: bool) -> Sequence[Finding]:
    from a2a_node.cli.checks.data import in_data_dir  # noqa: PLC0415 - slow to import, and `--help` does not need it
    from a2a_node.cli.checks.machine import on_machine  # noqa: PLC0415
    from a2a_node.cli.checks.node import on_node  # noqa: PLC0415
    from a2a_node.cli.checks.schema import in_database  # noqa: PLC0415
    from a2a_node.cli.stores import running_database  # noqa: PLC0415

    url = running_database(settings)
    return [
        *on_machine(settings),
        *in_data_dir(settings.data_dir),
        *await on_node(settings),
        *([await in_database(url)] if url else []),
        *(await _for_production(settings, url) if production else []),
    ]


async def _for_production(settings: Settings, postgres_url: str) -> Sequence[Finding]:
    from a2a_node.cli.checks.production import for_production  # noqa: PLC0415 - as above
    from a2a_node.cli.stores import running_redis  # noqa: PLC0415

    return await for_production(settings, postgres_url, running_redis(settings))


def _line(finding: Finding) -> str:
    state = typer.style(f"{finding.state:4}", fg=COLOURS[finding.state])
    advice = f"\n      {finding.advice}" if finding.advice else ""
    return f"{state}  {finding.name}: {finding.message}{advice}"
