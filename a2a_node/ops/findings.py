"""Findings: what an audit found, in one form, whoever found it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from hashlib import sha256
from itertools import accumulate
from typing import Annotated, Literal, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

Severity: TypeAlias = Literal["info", "low", "medium", "high", "critical"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)  # from the least to the worst
Kind: TypeAlias = Literal["file", "distribution", "grant", "key"]
MOST_FINDINGS, MOST_SKIPPED = 500, 100  # in one answer: it travels as the output of a step
MOST_BYTES = 128 * 1024  # of findings as JSON, for an input of a step takes several answers in its 1 MiB
MESSAGE, PATH = 500, 300  # characters


class Place(BaseModel):
    """Where something was found."""

    model_config = ConfigDict(frozen=True)

    path: Annotated[str, Field(description="A file, from the folder that was looked at; or the name of what it is.")]
    kind: Annotated[Kind, Field(description="What it is.")] = "file"
    line: Annotated[int, Field(ge=0, description="Counts from 1; 0 where there is none.")] = 0


class Finding(BaseModel):
    """One thing that somebody should look at."""

    model_config = ConfigDict(frozen=True)

    rule: Annotated[str, Field(description="What was broken: `secret-private-key`, `B602`, an advisory's id.")]
    severity: Annotated[Severity, Field(description="How bad it is.")]
    place: Annotated[Place, Field(description="Where it is.")]
    message: Annotated[str, Field(description="What it is and what to do, in words; never a secret.")]
    fingerprint: Annotated[
        str, Field(pattern="^[0-9a-f]{32}$", description="The same for the same thing, though its line may move.")
    ]


class Skipped(BaseModel):
    """What was not looked at."""

    model_config = ConfigDict(frozen=True)

    path: Annotated[str, Field(description="A file, or what else it is.")]
    why: Annotated[str, Field(description="The reason, in words.")]


class Scan(BaseModel):
    """What one look found, the worst first."""

    passed: Annotated[bool, Field(description="Whether nothing is as bad as the severity that was named.")]
    findings: Annotated[list[Finding], Field(description="The worst ones: at most 500, and no more than 128 KiB.")]
    counts: Annotated[dict[str, int], Field(description="How many there are of each severity, all counted.")]
    left_out: Annotated[int, Field(description="How many findings are counted and not shown.")] = 0
    skipped: Annotated[list[Skipped], Field(description=f"What was not looked at; at most {MOST_SKIPPED}.")] = []
    looked_at: Annotated[int, Field(description="How many files or distributions were looked at.")] = 0


class Fingerprints:
    """Tells the same thing twice in one file apart by its turn, and not by its line, which moves."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, ...]] = Counter()

    def of(self, *parts: str) -> str:
        """The fingerprint of what those parts say; the next one for parts that were there before."""
        self._seen[parts] += 1
        return fingerprint(*parts, str(self._seen[parts]))


def fingerprint(*parts: str) -> str:
    """32 hexadecimal digits that stand for those parts in this order."""
    return sha256("\0".join(parts).encode(errors="replace")).hexdigest()[:32]


def rank(severity: Severity) -> int:
    """How bad it is, from 0."""
    return SEVERITIES.index(severity)


def scan_of(findings: Iterable[Finding], skipped: Sequence[Skipped], *, fail_at: Severity, looked_at: int = 0) -> Scan:
    """The answer of a look that found those; it has not passed when one is as bad as `fail_at`."""
    worst_first = sorted(
        {found.fingerprint: found for found in findings}.values(),
        key=lambda found: (-rank(found.severity), found.place.path, found.place.line, found.rule),
    )
    shown = _shown(worst_first)
    return Scan(
        passed=all(rank(found.severity) < rank(fail_at) for found in worst_first),
        findings=shown,
        counts=counted(worst_first),
        left_out=len(worst_first) - len(shown),
        skipped=[Skipped(path=each.path[-PATH:], why=shortened(each.why)) for each in skipped[:MOST_SKIPPED]],
        looked_at=looked_at,
    )


def _shown(findings: Sequence[Finding]) -> list[Finding]:
    """As many of the first ones as an answer has room for."""
    sizes = accumulate(len(found.model_dump_json()) for found in findings)
    room = sum(1 for size in sizes if size <= MOST_BYTES)
    return list(findings[: min(room, MOST_FINDINGS)])


def counted(findings: Iterable[Finding]) -> dict[str, int]:
    """How many there are of each severity, the worst first."""
    counts = Counter(found.severity for found in findings)
    return {severity: counts[severity] for severity in reversed(SEVERITIES)}


def shortened(text: str, most: int = MESSAGE) -> str:
    """A text in one line that is short enough to be shown."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
