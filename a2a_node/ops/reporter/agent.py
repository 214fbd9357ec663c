"""The agent `reporter`: writes a report in three forms into the workspace, and opens tickets."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import orjson
from pydantic import BaseModel, Field

from a2a_node.agent import Agent
from a2a_node.ops.findings import Finding, Scan, Severity, rank
from a2a_node.ops.reporter import tickets as desk
from a2a_node.ops.reporter.page import page
from a2a_node.ops.reporter.report import joined, worst_first
from a2a_node.ops.reporter.sarif import sarif
from a2a_node.ops.workplace import Workplace

Folder = Annotated[str, Field(description="A folder of the workspace; it is made where there is none.")]
Scans = Annotated[
    dict[Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,62}$")], Scan | None],
    Field(max_length=20, description="What each look has found, by its name; null where it gave nothing."),
]


class Written(BaseModel):
    """Where a report lies, and what it says in short."""

    report: Annotated[str, Field(description="Path of the JSON form.")]
    sarif: Annotated[str, Field(description="Path of the SARIF form.")]
    page: Annotated[str, Field(description="Path of the HTML form.")]
    passed: Annotated[bool, Field(description="Whether every look was taken, and has passed.")]
    counts: Annotated[dict[str, int], Field(description="How many findings there are of each severity.")]
    missing: Annotated[list[str], Field(description="Looks that gave nothing.")]
    summary: Annotated[str, Field(description="One line for people.")]


class Opened(BaseModel):
    """What became of the findings that somebody has to look at."""

    opened: Annotated[int, Field(description="How many tickets are new.")]
    known: Annotated[int, Field(description="How many were there before, open or closed.")]
    folder: Annotated[str, Field(description="Where they lie.")]


def made(workplace: Workplace) -> Agent:
    """The agent, at work in that workplace."""
    agent = Agent(
        "reporter",
        version="1.0.0",
        description="Writes what was found as JSON, SARIF and HTML, and opens tickets for it.",
        category="security",
        tags=("built-in", "ops", "security"),
    )

    @agent.capability(idempotent=True)
    async def report(
        folder: Folder,
        scans: Scans,
        title: Annotated[str, Field(min_length=1, max_length=200, description="What it is about.")] = "Security audit",
    ) -> Written:
        """Join what was found into one report: `report.json`, `report.sarif` and `report.html`."""
        whole = joined(title, scans, datetime.now(UTC))
        forms = {
            "report.json": whole.model_dump_json(indent=2).encode(),
            "report.sarif": orjson.dumps(sarif(whole), option=orjson.OPT_INDENT_2),
            "report.html": page(whole).encode(),
        }
        for name, data in forms.items():
            await workplace.write("input.folder", f"{folder}/{name}", data)
        paths = {name: f"{folder}/{name}" for name in forms}
        told = ", ".join(f"{count} {severity}" for severity, count in whole.counts.items() if count)
        return Written(
            report=paths["report.json"],
            sarif=paths["report.sarif"],
            page=paths["report.html"],
            passed=whole.passed,
            counts=whole.counts,
            missing=whole.missing,
            summary=f"{title}: {'passed' if whole.passed else 'not passed'}; {told or 'nothing found'}",
        )

    @agent.capability(idempotent=True)
    async def tickets(
        folder: Folder,
        scans: Scans,
        severity: Annotated[Severity, Field(description="The least that gets a ticket.")] = "high",
    ) -> Opened:
        """Open a ticket for each finding that is bad enough, and has none yet."""
        due = _due(scans, severity)
        new = [await desk.opened(workplace, folder, look, found) for look, found in due]
        return Opened(opened=sum(new), known=len(new) - sum(new), folder=folder)

    return agent


def _due(scans: dict[str, Scan | None], severity: Severity) -> list[tuple[str, Finding]]:
    found = worst_first(joined("tickets", scans, datetime.now(UTC)))
    return [(look, finding) for look, finding in found if rank(finding.severity) >= rank(severity)]
