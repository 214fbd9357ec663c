"""A report as SARIF 2.1.0, which code hosts and editors read: a run for each look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from urllib.parse import quote

from a2a_node.ops.findings import Finding, Place, Scan, Severity, rank
from a2a_node.ops.reporter.report import Report

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS: Mapping[Severity, str] = {
    "critical": "error",
    "high": "error",
    "medium": "warning",
    "low": "note",
    "info": "note",
}
SCORES: Mapping[Severity, str] = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.5", "info": "0.0"}
Object = dict[str, object]


def sarif(report: Report) -> Object:
    """The log of a report."""
    runs = [_run(name, scan) for name, scan in report.scans.items()]
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": runs}


def _run(name: str, scan: Scan) -> Object:
    rules = sorted({found.rule for found in scan.findings})
    return {
        "tool": {
            "driver": {
                "name": f"a2a-node {name}",
                "semanticVersion": version("a2a-node"),
                "rules": [_rule(rule, scan.findings) for rule in rules],
            }
        },
        "automationDetails": {"id": f"{name}/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(scan)],
        "results": [_result(found, rules.index(found.rule)) for found in scan.findings],
    }


def _rule(rule: str, findings: Sequence[Finding]) -> Object:
    worst = max((found.severity for found in findings if found.rule == rule), key=rank)
    return {
        "id": rule,
        "defaultConfiguration": {"level": LEVELS[worst]},
        "properties": {"tags": ["security"], "security-severity": SCORES[worst]},
    }


def _invocation(scan: Scan) -> Object:
    """That it ran to its end, and what it could not look at."""
    notes = [{"level": "warning", "message": {"text": f"{each.path}: {each.why}"}} for each in scan.skipped]
    if scan.left_out:
        notes.append({"level": "warning", "message": {"text": f"{scan.left_out} more findings are left out"}})
    return {"executionSuccessful": True, "toolExecutionNotifications": notes}


def _result(found: Finding, rule: int) -> Object:
    return {
        "ruleId": found.rule,
        "ruleIndex": rule,
        "level": LEVELS[found.severity],
        "message": {"text": found.message},
        "locations": [_location(found.place)],
        "partialFingerprints": {"a2aFinding/v1": found.fingerprint},
        "properties": {"severity": found.severity},
    }


def _location(place: Place) -> Object:
    if place.kind != "file":
        return {"logicalLocations": [{"name": place.path, "kind": place.kind}]}
    where: Object = {"artifactLocation": {"uri": quote(place.path)}}
    return {"physicalLocation": where | ({"region": {"startLine": place.line}} if place.line else {})}
