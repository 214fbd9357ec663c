"""`workflow`: templates."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run, RunJson
from tests.unit.cli.desk import Mesh
from tests.unit.workflows.samples import RELEASE

BROKEN = "name: t\nsteps:\n  a: {agent: x, needs: b}\n"


@pytest.fixture
def release(tmp_path: Path) -> str:
    """A file with a template that has no errors."""
    file = tmp_path / "release.yaml"
    file.write_text(RELEASE)
    return str(file)


def test_a_template_is_looked_at_without_a_node(run: Run, release: str) -> None:
    """With file, line and column of each problem, and an exit code; several files, or stdin."""
    assert (run("workflow", "lint", release).stdout, run("workflow", "lint", release).exit_code) == ("no problems\n", 0)
    broken = run("workflow", "lint", release, "-", stdin=BROKEN)
    assert broken.stdout == "-:3:24: error: step 'a' needs 'b', and there is no such step [unknown-step]\n"
    assert broken.exit_code == 1
    (told,) = json.loads(run("workflow", "lint", "-", "--json", stdin=BROKEN).stdout)
    assert (told["file"], told["rule"], told["line"], told["column"], told["step"]) == ("-", "unknown-step", 3, 24, "a")
    assert "cannot be read" in run("workflow", "lint", "/nowhere.yaml").stderr


def test_a_node_is_asked_where_one_is_wanted(mesh: Mesh, run: Run, release: str) -> None:
    """It knows the agents; a warning is no failure."""
    done = run("workflow", "lint", release, "--mesh", "--address", "127.0.0.1:7")
    assert (done.stdout, done.exit_code) == (f"{release}:12:5: warning: nobody is there [unknown-agent]\n", 0)
    assert mesh.address == "127.0.0.1:7"


def test_templates_are_put_listed_and_shown(mesh: Mesh, run: Run, run_json: RunJson, release: str) -> None:
    """As a table, and as objects for programs."""
    assert run("workflow", "put", release, "--expected", "2").stdout.splitlines()[-1] == "release version 3"
    assert mesh.workflows.asked == {"source": RELEASE, "expected": 2}
    head, row = run("workflow", "templates", "--tag", "ci").stdout.splitlines()
    assert head.split() == ["name", "version", "inputs", "schedule", "by", "put", "description"]
    assert row.split()[:4] == ["release", "3", "repository", "[files]"]
    assert mesh.workflows.asked == {"tag": "ci", "name": ""}
    assert "'created_by': 'person:ann'" in str(run_json("workflow", "templates"))
    assert run("workflow", "show", "release", "--version", "3").stdout == RELEASE
    assert mesh.workflows.asked == {"name": "release", "version": 3}


def test_a_plan_is_a_table_of_waves(mesh: Mesh, run: Run, run_json: RunJson, release: str) -> None:
    """Of a template by its name, or of a file; what would do it, how often, and for how long."""
    given = '{"repository": "/srv/code"}'
    lines = run("workflow", "plan", "release", given).stdout.splitlines()
    assert mesh.workflows.asked == {"name": "release"}
    assert [line.split()[:2] for line in lines[1:]] == [
        ["0", "fetch"],
        ["1", "lint"],
        ["1", "build"],
        ["2", "gate"],
        ["3", "ship"],
    ]
    assert "calls git.clone" in lines[1]
    assert "300 s" in lines[1]
    assert "2 x calls lint tagged python" in lines[2]
    assert "runs wheel" in lines[3]
    assert "waits for workflow:release:approve" in lines[4]
    assert "'attempts': 3" in str(run_json("workflow", "plan", f"@{release}", given))


def test_a_plan_of_what_has_errors_is_none(mesh: Mesh, run: Run, tmp_path: Path) -> None:
    """They are told, and the exit code is that of a failure."""
    del mesh
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    done = run("workflow", "plan", f"@{file}")
    assert (done.exit_code, done.stdout) == (1, "")
    assert "3:24: error: step 'a' needs 'b'" in done.stderr


def test_the_schema_is_printed(run: Run) -> None:
    """As JSON, without a node; the file that is published is just that."""
    printed = run("workflow", "schema").stdout
    assert json.loads(printed)["required"] == ["name", "steps"]
    published = Path(__file__).parents[3] / "docs" / "workflow.schema.json"
    assert printed == published.read_text(), "docs/workflow.schema.json is not what the code says: make gen"


def test_a_graph_is_drawn_of_a_template_and_of_a_file(mesh: Mesh, run: Run, run_json: RunJson, release: str) -> None:
    """As text, as a picture, and for programs; a file needs no node."""
    lines = run("workflow", "graph", "release").stdout.splitlines()
    assert mesh.workflows.asked == {"name": "release", "version": 0}
    assert lines[:2] == ["release", "6 steps · Builds and ships."]
    assert run("workflow", "graph", release).stdout.splitlines() == lines
    assert "'needs': ['lint', 'build']" in str(run_json("workflow", "graph", release))
    picture = Path(release).with_suffix(".svg")
    assert run("workflow", "graph", release, "--svg", str(picture)).exit_code == 0
    assert picture.read_text().startswith("<svg ")


def test_a_graph_that_cannot_be_drawn_is_none(run: Run) -> None:
    """The errors of the source are told; so is a file that cannot be written."""
    broken = run("workflow", "graph", "-", stdin=BROKEN)
    assert (broken.exit_code, broken.stdout) == (1, "")
    assert "3:24: error: step 'a' needs 'b'" in broken.stderr
    refused = run("workflow", "graph", "-", "--svg", "/nowhere/g.svg", stdin=RELEASE)
    assert "cannot be written" in refused.stderr.replace("\n", " ")
