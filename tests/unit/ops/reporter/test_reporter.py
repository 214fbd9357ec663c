"""The agent `reporter`: three forms of one report, and tickets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from html.parser import HTMLParser
from pathlib import Path

import jsonschema_rs
import pytest

from a2a_node.model.errors import InvalidInput
from a2a_node.ops.findings import Finding, Place, Scan, Severity, Skipped, fingerprint, scan_of
from a2a_node.ops.reporter import made
from a2a_node.ops.reporter.agent import Opened, Written
from tests.unit.ops.asking import answer
from tests.unit.ops.places import workplace
from tests.unit.ops.reporter.sarif_form import LOG

EVIL = "</code><script>alert(1)</script><img src=x onerror=alert(2)>"


def finding(rule: str, severity: Severity, place: Place, message: str = "look at it") -> Finding:
    """Something that was found."""
    return Finding(
        rule=rule,
        severity=severity,
        place=place,
        message=message,
        fingerprint=fingerprint(rule, place.path),
    )


def scans() -> dict[str, Scan | None]:
    """What three looks found, one of which was not taken."""
    code = scan_of(
        [
            finding("B602", "high", Place(path="a b/ü.py", line=3), EVIL),
            finding("B101", "low", Place(path="a.py", line=1)),
            finding(EVIL, "medium", Place(path="b.py")),
        ],
        [Skipped(path=EVIL, why="is no text")],
        fail_at="high",
    )
    packages = scan_of(
        [finding("PYSEC-1", "critical", Place(path="requests", kind="distribution"))], [], fail_at="high"
    )
    return {"code": code, "dependencies": packages, "mesh": None}


def said(**more: object) -> Mapping[str, object]:
    """The input of both capabilities."""
    named = {name: scan and scan.model_dump() for name, scan in scans().items()}
    return {"folder": "audit/1", "scans": named, **more}


class Tags(HTMLParser):
    """The tags that a browser would see."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note it, and what it would load."""
        self.seen.add(tag)
        self.links += [name for name, _ in attrs if name in ("src", "href") or name.startswith("on")]


async def test_a_report_is_written_in_three_forms(tmp_path: Path) -> None:
    """All of it is in the JSON form; a look that gave nothing is missed."""
    written = await answer(made(workplace(tmp_path)), "report", said(title="Night"), Written)
    assert (written.passed, written.missing) == (False, ["mesh"])
    assert written.summary == "Night: not passed; 1 critical, 1 high, 1 medium, 1 low"
    whole = json.loads((tmp_path / "workspace" / written.report).read_text())
    assert {name: Scan.model_validate(scan) for name, scan in whole["scans"].items()} == {
        name: scan for name, scan in scans().items() if scan
    }


async def test_the_sarif_form_is_valid(tmp_path: Path) -> None:
    """A run for each look, each result with its rule and its place."""
    written = await answer(made(workplace(tmp_path)), "report", said(), Written)
    log = json.loads((tmp_path / "workspace" / written.sarif).read_text())
    jsonschema_rs.Draft202012Validator(LOG, validate_formats=True).validate(log)
    code, packages = log["runs"]
    first = code["results"][0]
    assert code["tool"]["driver"]["rules"][first["ruleIndex"]]["id"] == first["ruleId"] == "B602"
    assert first["level"] == "error"
    assert first["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "a%20b/%C3%BC.py"
    assert packages["results"][0]["locations"] == [{"logicalLocations": [{"name": "requests", "kind": "distribution"}]}]


async def test_the_page_shows_everything_as_text(tmp_path: Path) -> None:
    """Whatever the findings say: nothing of it runs, and nothing is loaded."""
    written = await answer(made(workplace(tmp_path)), "report", said(title=EVIL), Written)
    page = (tmp_path / "workspace" / written.page).read_text()
    for found in (found for scan in scans().values() if scan for found in scan.findings):
        place = f"{found.place.path}:{found.place.line}" if found.place.line else found.place.path
        assert all(escape(text) in page for text in (found.rule, found.severity, place, found.message))
    assert EVIL not in page
    tags = Tags()
    tags.feed(page)
    assert not tags.seen & {"script", "img", "link", "iframe"}
    assert tags.links == []


async def test_a_report_without_findings_has_passed(tmp_path: Path) -> None:
    """It says so."""
    clean = scan_of([], [], fail_at="high").model_dump()
    written = await answer(made(workplace(tmp_path)), "report", {"folder": "a", "scans": {"code": clean}}, Written)
    assert (written.passed, written.summary) == (True, "Security audit: passed; nothing found")


async def test_tickets_are_opened_once(tmp_path: Path) -> None:
    """For what is bad enough; what people write into one stays."""
    agent = made(workplace(tmp_path))
    first = await answer(agent, "tickets", said(folder="tickets"), Opened)
    assert (first.opened, first.known) == (2, 0)
    ticket = tmp_path / "workspace" / "tickets" / f"{fingerprint('B602', 'a b/ü.py')}.md"
    ticket.write_text("status: closed\n")
    again = await answer(agent, "tickets", said(folder="tickets"), Opened)
    assert (again.opened, again.known) == (0, 2)
    assert ticket.read_text() == "status: closed\n"
    more = await answer(agent, "tickets", said(folder="tickets", severity="medium"), Opened)
    assert (more.opened, more.known) == (1, 2)


@pytest.mark.parametrize("capability", ["report", "tickets"])
@pytest.mark.parametrize(
    "wrong",
    [
        {"folder": "../out"},
        {"folder": "/etc"},
        {"folder": "link"},
        {"scans": {"../../x": None}},
        {"scans": {"code": {"findings": "none"}}},
    ],
    ids=["up", "absolute", "link", "name", "form"],
)
async def test_bad_input_is_refused(tmp_path: Path, capability: str, wrong: Mapping[str, object]) -> None:
    """Paths that leave the workspace, and what is no scan."""
    agent = made(workplace(tmp_path))
    (tmp_path / "workspace" / "link").symlink_to(tmp_path)
    with pytest.raises(InvalidInput):
        await answer(agent, capability, said(**wrong), Written)
