"""`audit` and `tap`: what happened, what happens, and whether the record of it is whole."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from a2a_node.model.audit import AuditDecision, AuditFilter, AuditOutcome, Break
from a2a_node.model.tap import TapFilter
from tests.unit.cli.conftest import Run, RunJson
from tests.unit.cli.desk import Mesh


def test_events_are_a_table_for_people(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """When, where, what, to what, by whom, from where, and what came of it; listed when nothing else is said."""
    head, done, refused = run("audit").stdout.splitlines()
    assert head.split() == ["time", "node", "action", "target", "who", "from", "outcome", "more"]
    assert done.split()[2:] == ["node-1", "7", "session:create", "session:s-1", "person:ann", "10.0.0.7", "succeeded"]
    assert refused.split()[-4:] == ["nobody", "10.0.0.7", "UNAUTHENTICATED", "refusals=3"]
    assert mesh.audit.asked == {"wanted": AuditFilter(), "start": None, "end": None}
    (event,) = json.loads(json.dumps(run_json("audit", "list", "--limit", "1")))
    assert (event["sequence"], event["fact"]["action"]) == (7, "session:create")


def test_events_are_filtered(mesh: Mesh, run: Run) -> None:
    """By all that the contract filters by; times are UTC."""
    said = ("--action", "access:*", "--user", "person:ann", "--agent", "echo", "--server", "files", "--node", "n1")
    more = ("--decision", "refused", "--outcome", "failed", "--trace", "ab", "--call", "c-1")
    run("audit", "list", *said, *more, "--since", "2026-11-26", "--until", "2026-11-26T12:30:00")
    assert mesh.audit.asked == {
        "wanted": AuditFilter(
            "access:*",
            "person:ann",
            "echo",
            "files",
            "n1",
            AuditDecision.REFUSED,
            AuditOutcome.FAILED,
            "ab",
            "c-1",
        ),
        "start": datetime(2026, 11, 26, tzinfo=UTC),
        "end": datetime(2026, 11, 26, 12, 30, tzinfo=UTC),
    }


def test_events_are_followed(mesh: Mesh, run: Run) -> None:
    """People read events and gaps, programs every word, with the cursor to come back to."""
    assert run("audit", "watch", "--after", "c-9").stdout.splitlines() == [
        "events 3 to 5 of node-1 are no longer kept",
        "2026-11-23 12:00:00 node-1 7 session:create session:s-1 person:ann 10.0.0.7 succeeded",
    ]
    assert mesh.audit.asked == {"wanted": AuditFilter(), "after": "c-9"}
    lines = [json.loads(line) for line in run("audit", "watch", "--json").stdout.splitlines()]
    assert [line["kind"] for line in lines] == ["started", "gap", "event"]
    assert (lines[0]["cursor"], lines[2]["cursor"], lines[1]["gap"]["cursor"]) == ("c-0", "c-2", "c-1")


def test_a_whole_log_is_intact_and_a_broken_one_is_exit_code_1(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """The first break of each chain is told."""
    assert run("audit", "verify", "--node", "node-1").stdout == "intact: 30 events in 2 chains\n"
    assert mesh.audit.asked == {"node": "node-1", "start": None, "end": None}
    assert run_json("audit", "verify") == {"intact": True, "breaks": [], "chains": 2, "events": 30}
    mesh.audit.breaks = (Break("node-1", 7, "it was changed after it was written"),)
    broken = run("audit", "verify")
    assert (broken.exit_code, broken.stdout.splitlines()) == (
        1,
        ["broken, of 30 events in 2 chains", "node-1 event 7: it was changed after it was written"],
    )


def test_calls_are_shown_in_columns_as_they_end(mesh: Mesh, run: Run) -> None:
    """Who called what, how long it took, and how it ended; without colours where nobody sees them."""
    head, done, refused, other, missed = run("tap").stdout.splitlines()
    assert head.split() == ["time", "principal", "agent", "capability", "ms", "status"]
    assert done.split()[1:] == ["person:ann", "greeter", "greet", "12.5", "succeeded"]
    assert refused.split()[1:] == ["nobody", "greeter", "greet", "12.5", "UNAUTHENTICATED", "a", ">", "b"]
    assert other.split()[1:] == ["person:ann", "CacheService", "SetValue", "12.5", "succeeded"]
    assert missed == "7 calls were missed"
    assert [line.index("12.5") for line in (done, refused, other)] == [head.index("ms") + 5] * 3
    assert mesh.audit.asked == {"wanted": TapFilter()}


def test_calls_are_filtered_and_told_to_programs(mesh: Mesh, run: Run) -> None:
    """A line of JSON for each."""
    said = ("--agent", "echo", "--capability", "say", "--user", "person:ann", "--outcome", "failed", "--all")
    lines = [json.loads(line) for line in run("tap", *said, "--json").stdout.splitlines()]
    assert mesh.audit.asked == {"wanted": TapFilter("echo", "say", "person:ann", AuditOutcome.FAILED, all_rpcs=True)}
    assert [line["kind"] for line in lines] == ["started", "call", "call", "call", "missed"]
    assert (lines[1]["agent"], lines[1]["outcome"], lines[1]["seconds"]) == ("greeter", "succeeded", 0.0125)
