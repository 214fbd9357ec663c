"""Rows of the result: what came of one fault."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

CLEAN = ("lost", "doubled", "events_lost", "events_doubled", "over_admitted", "leaked")


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `build/chaos.json`; docs/chaos.md says what each figure counts."""

    fault: str
    rounds: int
    calls: int
    lost: int
    doubled: int
    events_lost: int
    events_doubled: int
    over_admitted: int
    leaked: int
    recovery_ms: float  # the median of all rounds
    recovery_max_ms: float
    slowest_ms: float
    repeated: int
    events: int
    errors: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)

    @property
    def clean(self) -> bool:
        """Whether nothing went wrong that must not."""
        return not any(getattr(self, name) for name in CLEAN)


def read(file: Path) -> list[Row]:
    """The rows of the last run."""
    return [Row(**one) for one in json.loads(file.read_text())]


def written(rows: Sequence[Row], file: Path) -> None:
    """Write the rows, and print them as a table."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(one) for one in rows], indent=2) + "\n")
    names = ["rounds", "calls", "events", *CLEAN, "repeated", "recovery_ms", "recovery_max_ms", "slowest_ms"]
    print(" ".join(["fault".ljust(27), *names]))  # noqa: T201 - the table is what a person asked for
    for one in rows:
        cells = [str(getattr(one, name)).rjust(len(name)) for name in names]
        print(" ".join([one.fault.ljust(27), *cells]))  # noqa: T201
    for one in rows:
        seen = ", ".join(f"{reason} {count}" for reason, count in sorted(one.errors.items())) or "none"
        print(f"{one.fault}: errors that clients saw: {seen}")  # noqa: T201
        for what, count in one.left.items():
            print(f"{one.fault}: left over: {what} {count}")  # noqa: T201
