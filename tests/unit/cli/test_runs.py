"""`workflow`: runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from a2a_node.client.runs import RunTerms
from a2a_node.model.runs import Decision, RunEvent, RunStatus, StepStatus
from tests.unit.cli.conftest import Run, RunJson
from tests.unit.cli.desk import Mesh
from tests.unit.cli.flow.runs import FAILED, LINT, NOW, RUN, at
from tests.unit.workflows.samples import RELEASE

DONE = replace(RUN, status=RunStatus.COMPLETED, steps=(), completed_at=at(5), completed_steps=4)
EVENTS = [
    RunEvent(1, NOW, step=replace(LINT, status=StepStatus.COMPLETED, completed_at=at(4.5))),
    RunEvent(2, NOW, progress=("ship", "half")),
    RunEvent(3, NOW, run=DONE),
]
LINES = ["✓ lint completed 2.50 s 1 of 4 items", "  ship: half", "✓ release completed 5.00 s"]


@pytest.fixture
def release(tmp_path: Path) -> str:
    """A file with a template that has no errors."""
    file = tmp_path / "release.yaml"
    file.write_text(RELEASE)
    return str(file)


def test_a_run_is_started_and_followed_to_its_end(mesh: Mesh, run: Run) -> None:
    """A line for each event; inputs beside each other, texts where the template says text."""
    mesh.workflows.events = EVENTS
    more = ("-i", "repository=5", "-i", 'files=["c"]', "--context", '{"who":"me"}', "--name", "mine", "--timeout", "60")
    done = run("workflow", "run", "release", '{"repository": "/srv"}', *more)
    assert (done.exit_code, done.stdout.splitlines(), done.stderr) == (0, LINES, f"run {RUN.id}\n")
    done = run("workflow", "run", "release", '{"repository": "/srv"}', "--detach", *more)
    assert (done.exit_code, done.stdout) == (0, f"{RUN.id}\n")
    assert mesh.workflows.asked == {
        "template": "release",
        "inputs": {"repository": "5", "files": ["c"]},
        "how": RunTerms(3, "mine", context={"who": "me"}, timeout=60),
    }


def test_a_file_is_put_before_it_is_run(mesh: Mesh, run: Run, run_json: RunJson, release: str) -> None:
    """At the version that was made; what the node warns of is told."""
    told = run("workflow", "run", release, "--detach")
    assert mesh.workflows.asked["how"] == RunTerms(3)
    assert f"{release}:12:5: warning" in told.stderr
    assert "'run_id'" in str(run_json("workflow", "run", "release", "--detach"))
    assert run("workflow", "run", "release", "-i", "nothing").exit_code == 2


@pytest.mark.parametrize("end", [FAILED, replace(DONE, status=RunStatus.CANCELLED)], ids=["failed", "cancelled"])
def test_a_run_that_does_not_complete_is_a_failure(mesh: Mesh, run: Run, end: object) -> None:
    """Of the command that followed it, as well."""
    mesh.workflows.events = [replace(EVENTS[-1], run=end)]  # type: ignore[arg-type]
    assert run("workflow", "watch", RUN.id).exit_code == 1


def test_a_run_is_watched_from_where_it_was_left(mesh: Mesh, run: Run) -> None:
    """And for programs, an event a line."""
    mesh.workflows.events = EVENTS
    assert run("workflow", "watch", RUN.id, "--after", "2").stdout.splitlines() == LINES[2:]
    lines = [json.loads(line) for line in run("workflow", "watch", RUN.id, "--json").stdout.splitlines()]
    assert [line["sequence"] for line in lines] == [1, 2, 3]
    assert lines[0]["step"]["status"] == "completed"
    assert lines[1]["progress"] == {"step_id": "ship", "output": "half"}
    assert lines[2]["run"]["run_id"] == RUN.id


def test_the_record_is_asked_after_a_gap(mesh: Mesh, run: Run) -> None:
    """It alone knows how the run ended."""
    mesh.workflows.events, mesh.workflows.stands = [RunEvent(9, NOW, gap=True)], DONE
    done = run("workflow", "watch", RUN.id)
    assert (done.exit_code, done.stdout) == (0, "events up to 9 are no longer kept\n")


def test_a_run_is_shown_step_by_step(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """Or one step of it with all of its data."""
    lines = run("workflow", "show", RUN.id).stdout.splitlines()
    assert lines[0] == f"release  {RUN.id}"
    assert '    out    {"path":"/tmp/w"}' in lines
    whole = run("workflow", "show", RUN.id, "--step", "fetch").stdout
    assert mesh.workflows.asked == {"run": RUN.id, "step": "fetch"}
    assert 'input:\n{\n  "url": "/srv/code"\n}' in whole
    assert "'step_id': 'gate'" in str(run_json("workflow", "show", RUN.id))


def test_the_graph_of_a_run_shows_how_its_steps_stand(mesh: Mesh, run: Run) -> None:
    """On the graph of the version that it runs."""
    lines = run("workflow", "graph", RUN.id).stdout.splitlines()
    assert lines[0] == f"release {RUN.id}"
    assert lines[1].startswith("running · 1 of 4 steps · ")
    assert mesh.workflows.asked == {"name": "release", "version": 3}
    assert lines[3].split() == ["✓", "fetch", "git.clone", "completed", "·", "2.00", "s", "·", "2", "attempts"]
    assert any(line.split()[:3] == ["│", "●", "lint"] for line in lines)


def test_runs_are_listed(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """As many as wanted, of those that fit."""
    some = ("--status", "failed", "--status", "running", "--template", "release", "--by", "person:ann", "--limit", "1")
    head, row = run("workflow", "runs", *some, "--since", "2026-11-27").stdout.splitlines()
    assert head.split() == ["run", "name", "template", "status", "steps", "took", "by", "recorded"]
    assert row.split()[:7] == [RUN.id, "release", "release", "3", "●", "running", "1/4"]
    wanted = mesh.workflows.asked["wanted"]
    assert "(<RunStatus.FAILED: 'failed'>, <RunStatus.RUNNING: 'running'>)" in str(wanted)
    assert len(many(run_json("workflow", "runs"))) == 2


@pytest.mark.parametrize(
    ("words", "asked", "said"),
    [
        (["cancel", "--reason", "late"], {"reason": "late", "compensate": False}, "cancelling"),
        (["pause"], {}, "pausing"),
        (["resume"], {}, "running"),
        (["retry", "--step", "lint", "--timeout", "9"], {"step": "lint", "timeout": 9}, "pending"),
    ],
    ids=["cancel", "pause", "resume", "retry"],
)
def test_a_run_is_told_what_to_do(
    mesh: Mesh, run: Run, words: Sequence[str], asked: dict[str, object], said: str
) -> None:
    """And how it stands then, or what it is about to do."""
    assert run("workflow", words[0], RUN.id, *words[1:]).stdout == f"{RUN.id} {said}\n"
    assert mesh.workflows.asked == {"run": RUN.id, **asked}


def test_a_step_is_decided_on(mesh: Mesh, run: Run) -> None:
    """Yes or no, with a comment."""
    assert run("workflow", "approve", RUN.id, "gate", "--comment", "go").exit_code == 0
    assert mesh.workflows.asked == {"run": RUN.id, "step": "gate", "decision": Decision.APPROVE, "comment": "go"}
    assert run("workflow", "reject", RUN.id, "gate").exit_code == 0
    assert mesh.workflows.asked["decision"] is Decision.REJECT


def many(value: object) -> list[object]:
    """A document that is a list."""
    assert isinstance(value, list)
    return value
