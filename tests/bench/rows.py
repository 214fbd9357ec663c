"""Rows of the result: a figure, its baseline of the same run, and their ratio."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `build/bench.json`; a row with errors is no result."""

    name: str
    value: float
    unit: str
    baseline: float
    ratio: float
    errors: int


def row(name: str, value: float, unit: str, baseline: float, errors: int = 0) -> Row:
    """A row with its ratio, value by baseline."""
    return Row(name, round(value, 3), unit, round(baseline, 3), round(value / baseline, 3) if baseline else 0.0, errors)


def written(rows: Sequence[Row], file: Path) -> None:
    """Write the rows, and print them as a table."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(one) for one in rows], indent=2) + "\n")
    print(f"{'name':32} {'value':>10} {'unit':8} {'baseline':>10} {'ratio':>7} {'errors':>6}")  # noqa: T201
    for one in rows:
        print(  # noqa: T201
            f"{one.name:32} {one.value:>10} {one.unit:8} {one.baseline:>10} {one.ratio:>7} {one.errors:>6}"
        )
