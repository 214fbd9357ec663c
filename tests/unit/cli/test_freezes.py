"""`freeze`, `unfreeze` and `freezes`: the kill switch from a terminal."""

from __future__ import annotations

from tests.unit.cli.conftest import Run, RunJson
from tests.unit.cli.desk import Mesh


def test_a_freeze_says_what_each_node_has_confirmed(mesh: Mesh, run: Run) -> None:
    """Its id first, for whoever lifts it."""
    said = run("freeze", "agent:greeter", "--reason", "it runs wild", "--ttl", "60", "--wait", "1").stdout
    assert said.splitlines() == [
        "f1",
        "node-1: 2 stopped, 2 stopping",
        "  greeter i1, call c1: has not confirmed its end",
        "  greeter (not picked yet), call c2: is not heard of any more: look at its process",
        "node-2: not confirmed",
    ]
    assert mesh.freezes.asked == {"what": "agent:greeter", "reason": "it runs wild", "ttl": 60.0, "wait": 1.0}


def test_a_freeze_is_lifted_by_its_id(mesh: Mesh, run: Run) -> None:
    """Nothing else is asked."""
    assert run("unfreeze", "f1").stdout == "lifted\n"
    assert mesh.freezes.asked == {"freeze_id": "f1"}


def test_freezes_are_a_table_for_people_and_json_for_programs(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """With what they stop and why."""
    head, row = run("freezes").stdout.splitlines()
    assert head.split() == ["id", "what", "reason", "by", "since", "nodes"]
    assert row.split()[:2] == ["f1", "agent:greeter"]
    found = run_json("freezes", "--of", "agent:greeter", "--all")
    assert isinstance(found, list)
    assert found[0]["freeze"]["reason"] == "it runs wild"
    assert mesh.freezes.asked == {"what": "agent:greeter", "include_lifted": True}
