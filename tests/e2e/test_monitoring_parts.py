"""The dashboard and the messages of alerts, held against the programs of those who made their formats."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.e2e import tools

MONITORING = tools.ROOT / "monitoring"
DASHBOARD = MONITORING / "grafana/dashboards/a2a-mesh.json"
ALERTMANAGER = MONITORING / "alertmanager/alertmanager.yml"
ALERT = {
    "status": "firing",
    "labels": {"alertname": "A2ANodeDown"},
    "annotations": {"summary": "It is down", "runbook_url": "https://example.com/book#a2anodedown"},
}


@pytest.fixture(scope="module")
def grafana() -> Path:
    """A program that parses dashboards strictly."""
    return tools.go_program(Path(__file__).with_name("go_dashboard"))


def ran(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """A program, to its end."""
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def test_the_dashboard_is_as_grafana_wants_it(grafana: Path) -> None:
    """By Grafana's own schema: the dashboard, its variables, panels, their options and queries."""
    done = ran(grafana, DASHBOARD)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ('"schemaVersion": 39', '"schemaVersion": "39"', "schemaVersion"),
        ('"legendFormat"', '"legendFormt"', "unexpected field 'legendFormt'"),
        ('"expr"', '"query"', "expr: required field is missing"),
        ('"displayMode"', '"displayMod"', "options.legend.displayMode"),
        ('"gridPos"', '"gridpos"', "unexpected field 'gridpos'"),
    ],
)
def test_a_dashboard_that_is_wrong_is_complained_about(
    grafana: Path, tmp_path: Path, right: str, wrong: str, complaint: str
) -> None:
    """So that the check above means something."""
    broken = tmp_path / "broken.json"
    broken.write_text(DASHBOARD.read_text().replace(right, wrong))
    done = ran(grafana, broken)
    assert done.returncode == 1
    assert complaint in done.stderr


def test_messages_can_be_written(tmp_path: Path) -> None:
    """By Alertmanager's own templates: those of mails and of the chat."""
    receivers = {one["name"]: one for one in yaml.safe_load(ALERTMANAGER.read_text())["receivers"]}
    mail, chat = receivers["mail"]["email_configs"][0], receivers["chat"]["slack_configs"][0]
    told = tmp_path / "told.json"
    told.write_text(json.dumps({"status": "firing", "alerts": [ALERT], "commonLabels": ALERT["labels"]}))
    (tmp_path / "none.tmpl").touch()

    def written(template: str) -> str:
        given = (f"--template.glob={tmp_path / 'none.tmpl'}", f"--template.text={template}", f"--template.data={told}")
        done = ran(tools.prometheus() / "amtool", "template", "render", *given)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    assert written(mail["headers"]["subject"]) == "[FIRING] A2ANodeDown (1)"
    assert written(chat["title"]) == "A2ANodeDown (firing)"
    assert written(chat["text"]) == "It is down (<https://example.com/book#a2anodedown|runbook>)"
