"""`limits`: how fast callers may call, set, asked about and forgotten."""

from __future__ import annotations

import pytest

from a2a_node.model.limits import LimitKey
from tests.unit.cli.conftest import Run, RunJson
from tests.unit.cli.desk import Mesh


def test_limits_are_a_table_for_people(mesh: Mesh, run: Run) -> None:
    """For whom, how fast, by whom and since when; a star stands for all."""
    head, line = run("limits").stdout.splitlines()
    assert head.split() == ["principal", "agent", "capability", "rate", "burst", "by", "set"]
    assert line.split() == ["person:ann", "echo", "*", "50/s", "100", "person:dev", "2026-11-23", "12:00:00"]
    run("limits", "list", "--for", "person:ann", "--agent", "echo", "--capability", "say")
    assert mesh.limits.asked == LimitKey("person:ann", "echo", "say")


def test_a_limit_is_set_as_it_is_written(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """Per second, minute or hour; for everybody and everything where nothing is named."""
    assert run("limits", "set", "30/m burst 7", "--agent", "echo").stdout == "0.5/s burst 7\n"
    assert mesh.limits.asked == LimitKey(agent="echo")
    assert "'rate': 50.0" in str(run_json("limits", "set", "50/s"))
    assert mesh.limits.asked == LimitKey()
    assert run("limits", "set", "often").exit_code != 0


@pytest.mark.usefixtures("mesh")
def test_what_applies_is_told_with_the_bucket_where_there_is_one(run: Run) -> None:
    """And where it comes from."""
    assert run("limits", "get").stdout == "50/s burst 100 (set by person:dev for person:ann echo *)\n"
    told = run("limits", "get", "--agent", "echo", "--capability", "say").stdout
    assert told.endswith("; 0.5 tokens, 3 leased to nodes, empty for 0.25 s\n")


@pytest.mark.usefixtures("mesh")
def test_a_limit_is_forgotten(run: Run) -> None:
    """And what applies then is told."""
    named = ("--for", "person:ann", "--agent", "echo")
    assert run("limits", "reset", *named).stdout == "removed; 10/s burst 100 applies\n"
    assert run("limits", "reset").stdout == "none was set; 10/s burst 100 applies\n"
