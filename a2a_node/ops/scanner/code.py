"""What bandit finds in code, in a process of its own: it reads the code, and runs none of it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp

import orjson

from a2a_node.agent import AgentRefused
from a2a_node.ops.findings import Finding, Fingerprints, Place, Severity, Skipped, shortened
from a2a_node.ops.trees import LEFT_BY_TOOLS
from a2a_node.ops.workplace import TEMPORARY, Workplace

MOST_BYTES = 64 * 2**20
SEVERITIES: Mapping[str, Severity] = {"LOW": "low", "MEDIUM": "medium", "HIGH": "high"}
DOUBTFUL: Mapping[Severity, Severity] = {"high": "medium", "medium": "low"}
OF_PASSWORDS = ("B105", "B106", "B107")  # whose words, and whose lines of code, have the password in them
Json = Mapping[str, object]


async def analysed(workplace: Workplace, target: Path, seconds: float) -> Json:
    """What bandit says of a folder or a file; AgentRefused when it cannot work.

    The settings of whoever wrote the code are not read: they could switch off what is looked for.
    """
    folder, name = await asyncio.to_thread(_split, target)
    temporary = Path(await asyncio.to_thread(mkdtemp, dir=workplace.root / TEMPORARY))
    report = temporary / "report.json"
    left = ",".join(f"/{each}/" for each in sorted(LEFT_BY_TOOLS))
    argv = ("bandit", "-r", name, "-f", "json", "-q", "--exit-zero", "--ini", os.devnull, "-x", left, "-o", str(report))
    try:
        done = await workplace.run(argv, cwd=folder, seconds=seconds)
        return await asyncio.to_thread(_read, report, done.code)
    finally:
        await asyncio.shield(asyncio.to_thread(rmtree, temporary, ignore_errors=True))


def _split(target: Path) -> tuple[Path, str]:
    return (target, ".") if target.is_dir() else (target.parent, target.name)


def _read(report: Path, code: int) -> Json:
    if code != 0 or not report.is_file() or report.stat().st_size > MOST_BYTES:
        raise AgentRefused(
            f"bandit ended with code {code} and no report of at most {MOST_BYTES:,} bytes; "
            "try it by hand on a smaller folder",
            reason="SCAN_FAILED",
        )
    said: Json = orjson.loads(report.read_bytes())
    return said


def faults(said: Json) -> Iterator[Finding]:
    """The findings of a report of bandit."""
    prints = Fingerprints()
    for each in _objects(said, "results"):
        rule, path = str(each["test_id"]), _path(each)
        hidden, line = rule in OF_PASSWORDS, int(str(each["line_number"]))
        text = str(each["issue_text"])
        yield Finding(
            rule=rule,
            severity=_severity(each),
            place=Place(path=path, line=line),
            message=shortened(text.partition(":")[0] if hidden else text),
            fingerprint=prints.of("code", rule, path, "" if hidden else _code(each, line)),
        )


def unread(said: Json) -> list[Skipped]:
    """What bandit could not read."""
    return [Skipped(path=_path(each), why=shortened(str(each.get("reason")))) for each in _objects(said, "errors")]


def looked_at(said: Json) -> int:
    """How many files it read."""
    metrics = said.get("metrics")
    return max(0, len(metrics) - 1) if isinstance(metrics, Mapping) else 0  # one entry is the sum of all


def _severity(each: Json) -> Severity:
    severity = SEVERITIES.get(str(each["issue_severity"]), "medium")
    return DOUBTFUL.get(severity, severity) if each.get("issue_confidence") == "LOW" else severity


def _code(each: Json, line: int) -> str:
    """The line itself, without its number before it and its indentation."""
    for text in str(each.get("code", "")).splitlines():
        number, _, code = text.partition(" ")
        if number == str(line):
            return code.strip()
    return ""


def _path(each: Json) -> str:
    return str(each.get("filename", "")).removeprefix("./")


def _objects(said: Json, key: str) -> Iterator[Json]:
    found = said.get(key)
    return (each for each in found if isinstance(each, Mapping)) if isinstance(found, list) else iter(())
