"""What monitoring/ promises to people: alerts and panels that explain themselves, and a runbook that knows all alerts.

That the queries are right is shown by promtool (`make monitoring`) and by the end-to-end tests.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
import yaml

from tests.unit.named_commands import check, named

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "monitoring"
RUNBOOK = "docs/PRODUCTION_RUNBOOK.md"
PARTS = ("Meaning", "First look", "Fix", "Escalate")
TEN = (
    "Agents",
    "MCP servers",
    "Memory",
    "Calls",
    "Response time",
    "Open streams and WebSockets",
    "Error rate",
    "CPU",
    "Workflow runs",
    "Rate limit hits",
)
ABOUT = {  # what there has to be an alert for, and the one that there is
    "error rate": "A2AErrorRateHigh",
    "latency": "A2ALatencyHigh",
    "node down": "A2ANodeDown",
    "store down": "A2AStoreDown",
    "MCP server failed": "A2AMcpServerFailed",
    "workflow stuck": "A2AWorkflowStuck",
    "limiter in fallback": "A2ALimiterInFallback",
    "certificate expiry": "A2ACertificateExpiring",
    "audit queue": "A2AAuditQueueFull",
    "saturation": "A2AEventLoopLate",
}


def rules(file: str) -> Sequence[Mapping[str, object]]:
    """The rules of a file."""
    groups = yaml.safe_load((MONITORING / "prometheus" / "rules" / file).read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> Mapping[str, object]:
    """The dashboard."""
    read: Mapping[str, object] = json.loads((MONITORING / "grafana/dashboards/a2a-mesh.json").read_text())
    return read


ALERTS = {str(rule["alert"]): rule for rule in rules("alerts.yml")}
TESTS = yaml.safe_load((MONITORING / "prometheus" / "tests" / "alerts.yml").read_text())["tests"]
PANELS: Sequence[Mapping[str, object]] = dashboard()["panels"]  # type: ignore[assignment]
BOOK = (ROOT / RUNBOOK).read_text()
SECTIONS = {part.split("\n", 1)[0]: part for part in re.split(r"^### ", BOOK, flags=re.MULTILINE)[1:]}


def test_there_is_an_alert_for_all_that_has_to_have_one() -> None:
    """And each of them was thought of."""
    assert set(ABOUT.values()) <= set(ALERTS)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_is_seen_to_fire_and_to_be_silent(name: str) -> None:
    """By promtool, on series that it is about and, or earlier, on such that it is not about."""
    expected = [case["exp_alerts"] for test in TESTS for case in test["alert_rule_test"] if case["alertname"] == name]
    assert any(expected)
    assert not all(expected)


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_says_what_it_is_and_where_to_read_on(name: str) -> None:
    """Its link leads to its own section."""
    said = ALERTS[name]["annotations"]
    assert isinstance(said, dict)
    assert set(said) == {"summary", "description", "runbook_url"}
    assert all(said.values())
    assert said["runbook_url"].endswith(f"/{RUNBOOK}#{name.lower()}")
    assert ALERTS[name]["labels"] in [{"severity": severity} for severity in ("critical", "warning", "info")]


def test_each_alert_has_its_section_and_each_section_its_alert() -> None:
    """In the same order, so that both are read side by side."""
    assert list(SECTIONS) == list(ALERTS)


@pytest.mark.parametrize("name", SECTIONS)
def test_a_section_leads_from_the_meaning_to_whom_to_tell(name: str) -> None:
    """By the same four steps everywhere, and with the severity of the alert."""
    section = SECTIONS[name].split("\n## ")[0]
    assert tuple(re.findall(r"^- \*\*(.+?)\.\*\* \S", section, flags=re.MULTILINE)) == PARTS
    labels = ALERTS[name]["labels"]
    assert isinstance(labels, dict)
    assert section.split("\n\n")[1] == f"{str(labels['severity']).capitalize()}."


def test_links_inside_the_runbook_lead_somewhere() -> None:
    """To sections of it."""
    assert set(re.findall(r"\]\(#(.+?)\)", BOOK)) <= {name.lower() for name in SECTIONS}


@pytest.mark.parametrize("line", named(BOOK))
def test_commands_that_the_runbook_names_exist(line: str) -> None:
    """With all their options."""
    check(line)


def test_panels_that_the_runbook_names_exist() -> None:
    """They stand in italics there."""
    titles = {str(panel["title"]) for panel in PANELS}
    named = {re.sub(r"\s+", " ", name) for name in re.findall(r"(?<!\*)\*([A-Z][^*]{5,40})\*(?!\*)", BOOK)}
    assert named - {"Pending", "Running"} <= titles


def test_the_dashboard_has_its_ten_panels_first_and_rows_after_them() -> None:
    """For mesh, limits, stores and workflows."""
    rows = [str(panel["title"]) for panel in PANELS if panel["type"] == "row"]
    assert rows[0] == "Overview"
    assert {"Mesh", "Limits", "Stores", "Workflows"} <= set(rows)
    titles = [str(panel["title"]) for panel in PANELS]
    assert set(TEN) <= set(titles[: titles.index(rows[1])])


@pytest.mark.parametrize("panel", [one for one in PANELS if one["type"] != "row"], ids=lambda one: str(one["title"]))
def test_a_panel_says_what_it_shows_and_in_which_unit(panel: Mapping[str, object]) -> None:
    """And asks for it of the nodes that were chosen, over a window that fits the scrape interval."""
    assert panel["description"]
    config, targets = panel["fieldConfig"], panel["targets"]
    assert isinstance(config, dict)
    assert config["defaults"]["unit"]
    assert isinstance(targets, list)
    for target in targets:
        expression = target["expr"]
        assert '{job=~"$job"' in expression
        windows = re.findall(r"\[(.+?)\]", expression)
        assert set(windows) <= {"$__rate_interval"}
        assert expression.count("rate(") == len(windows)
        assert target["legendFormat"]


def test_no_two_panels_lie_over_each_other() -> None:
    """Each has its place in 24 columns, and an id of its own."""
    taken: set[tuple[int, int]] = set()
    for panel in PANELS:
        place = panel["gridPos"]
        assert isinstance(place, dict)
        cells = {(place["x"] + dx, place["y"] + dy) for dx in range(place["w"]) for dy in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)


def test_windows_of_rules_hold_many_scrapes() -> None:
    """Of 15 s, so that one that is missed changes nothing."""
    scraped = yaml.safe_load((MONITORING / "prometheus/prometheus.yml").read_text())["global"]["scrape_interval"]
    assert scraped == "15s"
    windows = re.findall(
        r"\[(.+?)\]", "".join(str(rule["expr"]) for rule in (*ALERTS.values(), *rules("recording.yml")))
    )
    assert set(windows) <= {"5m", "10m"}


def test_grafana_is_provisioned_with_what_the_dashboard_asks_for() -> None:
    """The datasource by its id, and an interval as Prometheus has it."""
    folder = MONITORING / "grafana" / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources/prometheus.yml").read_text())["datasources"]
    assert (source["type"], source["jsonData"]["timeInterval"]) == ("prometheus", "15s")
    templating = dashboard()["templating"]
    assert isinstance(templating, dict)
    assert templating["list"][0]["current"]["value"] == source["uid"]
    (provider,) = yaml.safe_load((folder / "dashboards/a2a.yml").read_text())["providers"]
    assert provider["type"] == "file"
