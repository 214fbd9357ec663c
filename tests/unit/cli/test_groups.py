"""`agents`, `nodes`, `sessions` and `cache`."""

from __future__ import annotations

import json

import pytest

from a2a_node.model.nodes import NodeStatus
from tests.unit.cli.conftest import Run, RunJson
from tests.unit.cli.desk import Mesh


@pytest.mark.parametrize("group", ["agents", "nodes", "sessions"])
def test_a_group_lists_when_it_is_given_nothing_else(mesh: Mesh, run: Run, group: str) -> None:
    """With its options, too; `list` may be said."""
    assert run(group).stdout == run(group, "list").stdout != ""
    assert json.loads(run(group, "--json").stdout) == json.loads(run(group, "list", "--json").stdout)
    assert run(group, "--address", "127.0.0.1:7").exit_code == 0
    assert mesh.address == "127.0.0.1:7"
    assert "Commands" in run(group, "--help").stdout


def test_agents_are_a_table_for_people(mesh: Mesh, run: Run) -> None:
    """Name, version, state, category, capabilities, and where they run."""
    head, row = run("agents").stdout.splitlines()
    assert head.split() == ["name", "version", "enabled", "category", "capabilities", "instances"]
    assert row.split() == ["greeter", "1.2.0", "yes", "general", "greet", "hosted@node-1"]
    assert mesh.agents.filters == {}


def test_agents_are_whole_objects_for_programs(mesh: Mesh, run_json: RunJson) -> None:
    """What the agent says of itself, and what the registry knows, in one object."""
    (agent,) = json.loads(json.dumps(run_json("agents", "--tag", "calm", "--node", "node-1", "--disabled")))
    assert (agent["name"], agent["owner"], agent["revision"]) == ("greeter", "person:dev", 7)
    assert agent["created_at"] == "2026-11-23T12:00:00Z"
    assert agent["instances"][0]["kind"] == "hosted"
    assert mesh.agents.filters == {"tag": "calm", "node_id": "node-1", "enabled": False}


def test_an_agent_can_be_shown_and_switched(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """Off and on again."""
    assert json.loads(run("agents", "show", "greeter").stdout)["name"] == "greeter"
    assert run("agents", "disable", "greeter").stdout == "greeter is disabled\n"
    assert not mesh.agents.enabled
    assert json.loads(json.dumps(run_json("agents", "enable", "greeter")))["enabled"] is True


def test_a_watch_prints_a_line_for_each_change(mesh: Mesh, run: Run) -> None:
    """Words for people, JSON lines for programs."""
    assert run("agents", "watch", "--after", "4").stdout.splitlines() == [
        "5  agent  greeter  enabled  1 instances",
        "5  current",
        "6  removed  greeter",
    ]
    lines = [json.loads(line) for line in run("agents", "watch", "--json").stdout.splitlines()]
    assert [(line["kind"], line["name"]) for line in lines] == [
        ("agent", "greeter"),
        ("current", ""),
        ("removed", "greeter"),
    ]
    assert mesh.agents.enabled


def test_nodes_are_listed_and_shown(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """By status and region; the one that is asked needs no id."""
    assert "node-1" in run("nodes", "list", "--status", "alive", "--region", "north").stdout
    assert mesh.nodes.asked == {"status": NodeStatus.ALIVE, "region": "north"}
    assert json.loads(json.dumps(run_json("nodes", "show")))["instance_count"] == 2


def test_a_node_is_drained_and_seen_to_its_end(mesh: Mesh, run: Run) -> None:
    """How many calls are left, each time that it changes."""
    ran = run("drain", "node-1", "--timeout", "3")
    assert mesh.nodes.asked == {"node_id": "node-1", "timeout": 3.0}
    lines = [f"node-1 is draining, calls left: {left}" for left in (2, 1, 0)]
    assert ran.stdout.splitlines() == [*lines, "node-1 is gone"]


def test_calls_that_a_drained_node_cut_off_are_told_and_are_a_failure(mesh: Mesh, run: Run) -> None:
    """With their number."""
    mesh.nodes.cut = 2
    ran = run("drain")
    assert ran.stdout.splitlines() == [
        "node-1 is draining, calls left: 2",
        "node-1 is gone; calls that were cut off: 2",
    ]
    assert ran.exit_code == 1


def test_a_session_is_created_with_what_was_given(mesh: Mesh, run: Run) -> None:
    """People get its id, to go on with."""
    created = run("sessions", "create", '{"step": 1}', "--user", "ann", "--ttl", "60", "--id", "s-1")
    assert created.stdout == "s-1\n"
    assert mesh.sessions.asked == {"user_id": "ann", "ttl": 60.0, "session_id": "s-1"}
    assert run("sessions", "create", "[1]").exit_code == 2


def test_looking_at_a_session_does_not_keep_it_alive(mesh: Mesh, run: Run) -> None:
    """An operator only peeks."""
    assert json.loads(run("sessions", "show", "s-1").stdout)["data"] == {"step": 1}
    assert mesh.sessions.asked == {"peek": True}


def test_a_session_is_updated_at_the_version_that_was_seen(mesh: Mesh, run: Run) -> None:
    """Or over whatever is there, when this is said."""
    assert run("sessions", "update", "s-1", "{}", "--expect", "3", "--merge").stdout == "s-1 is at version 4\n"
    assert mesh.sessions.asked == {"expected": 3, "merge": True}
    run("sessions", "update", "s-1", "{}", "--expect", "any")
    assert mesh.sessions.asked == {"expected": None, "merge": False}
    assert run("sessions", "update", "s-1", "{}").exit_code == 2
    assert run("sessions", "update", "s-1", "{}", "--expect", "new").exit_code == 2


def test_sessions_are_listed_touched_and_deleted(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """What was there is told."""
    assert "ann" in run("sessions", "--user", "ann").stdout
    assert mesh.sessions.asked == {"user_id": "ann"}
    assert run("sessions", "touch", "s-1").stdout == "s-1 lives until 2026-11-23 12:00:00 UTC\n"
    assert run_json("sessions", "delete", "s-1") == {"deleted": True}
    assert run("sessions", "delete", "s-2").stdout == "there was none\n"


def test_a_value_is_kept_read_and_forgotten(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """In the namespace that was named."""
    assert run("cache", "set", "k", '{"n": 1}', "--ttl", "5", "--namespace", "mine").stdout == "stored\n"
    assert (mesh.cache.namespace, mesh.cache.asked) == ("mine", {"ttl": 5.0})
    assert run("cache", "set", "k", "2", "--if-absent").stdout == "there was one already\n"
    assert json.loads(run("cache", "get", "k").stdout) == {"n": 1}
    assert run_json("cache", "get", "k") == {"value": {"n": 1}, "ttl": 60.0}
    assert run_json("cache", "delete", "k") == {"deleted": True}


def test_an_absent_value_is_exit_code_1(mesh: Mesh, run: Run) -> None:
    """A script can ask whether there is one."""
    result = run("cache", "get", "k")
    assert (result.exit_code, result.stdout) == (1, "nothing is kept under 'k'\n")
    assert run("cache", "get", "k", "--json").stdout == "null\n"
    assert mesh.cache.values == {}


def test_a_counter_moves_by_one_or_by_a_delta(mesh: Mesh, run: Run) -> None:
    """A negative one, too."""
    assert run("cache", "incr", "hits").stdout == "41\n"
    assert json.loads(run("cache", "incr", "hits", "--json", "--", "-3").stdout) == {"value": 37}
    assert run("cache", "incr", "hits", "2", "--ttl", "9").stdout == "42\n"
    assert mesh.cache.asked == {"key": "hits", "ttl": 9.0}


def test_messages_are_published_and_followed(mesh: Mesh, run: Run) -> None:
    """People read messages and gaps, programs every event."""
    assert run("cache", "publish", "news", '"hello"').stdout == "9\n"
    assert mesh.cache.values == {"news": "hello"}
    assert run("cache", "subscribe", "news").stdout.splitlines() == [
        "messages 1 to 2 are no longer kept",
        "news",
        '{"n":1}',
    ]
    lines = [
        json.loads(line) for line in run("cache", "subscribe", "news", "--after", "2", "--json").stdout.splitlines()
    ]
    assert lines[0] == {"kind": "started", "after_id": 2}
    assert lines[2] == {"kind": "published", "id": 3, "value": "news", "published_at": "2026-11-23T12:00:00Z"}
