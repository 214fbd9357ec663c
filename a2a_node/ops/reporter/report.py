"""A report: what several looks have found, joined. It is the JSON form as it stands; the others are made of it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.ops.findings import Finding, Scan, counted, rank


class Report(BaseModel):
    """All that was found."""

    title: Annotated[str, Field(description="What the report is about.")]
    made_at: Annotated[datetime, Field(description="When it was made.")]
    passed: Annotated[bool, Field(description="Whether every look has passed.")]
    counts: Annotated[dict[str, int], Field(description="How many findings there are of each severity.")]
    scans: Annotated[dict[str, Scan], Field(description="What each look has found, by its name.")]
    missing: Annotated[list[str], Field(description="Looks that were meant to be taken, and gave nothing.")]


def joined(title: str, scans: Mapping[str, Scan | None], made_at: datetime) -> Report:
    """The report of those looks. One that is missing has not passed: nobody knows what it would have found."""
    taken = {name: scan for name, scan in scans.items() if scan is not None}
    counts = {severity: sum(scan.counts.get(severity, 0) for scan in taken.values()) for severity in counted(())}
    return Report(
        title=title,
        made_at=made_at,
        passed=len(taken) == len(scans) and all(scan.passed for scan in taken.values()),
        counts=counts,
        scans=taken,
        missing=sorted(set(scans) - set(taken)),
    )


def worst_first(report: Report) -> list[tuple[str, Finding]]:
    """All findings with the names of their looks."""
    found = [(name, finding) for name, scan in report.scans.items() for finding in scan.findings]
    return sorted(found, key=lambda each: (-rank(each[1].severity), each[0], each[1].place.path, each[1].place.line))
