"""`grants`: permissions given, taken back, asked about and asked for."""

from __future__ import annotations

import json

from a2a_node.model.grants import RequestStatus
from tests.unit.cli.conftest import Run, RunJson
from tests.unit.cli.desk import Mesh

ECHO = "agent:echo:invoke"


def test_grants_are_a_table_for_people(mesh: Mesh, run: Run) -> None:
    """Who has what from whom, when, and until when; listed when nothing else is said."""
    head, holds, ended = run("grants").stdout.splitlines()
    assert head.split() == ["id", "to", "permission", "by", "depth", "when", "ends", "under"]
    assert holds.split() == ["g-1", "person:ann", ECHO, "person:dev", "0", "uses", "<", "5", "never"]
    assert ended.split()[-2:] == ["always", "revoked"]
    run("grants", "list", "--to", "person:ann", "--by", "person:dev", "--permission", ECHO, "--under", "g-0", "--all")
    assert mesh.grants.asked == {
        "granted_to": "person:ann",
        "granted_by": "person:dev",
        "permission": ECHO,
        "parent_grant_id": "g-0",
        "include_ended": True,
    }


def test_a_grant_is_given_with_its_terms(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """Only those that were said; its id is printed, to take it back with."""
    assert run("grants", "add", "person:ann", ECHO).stdout == "g-1\n"
    assert mesh.grants.asked == {}
    said = ("--depth", "2", "--ttl", "60", "--when", "uses < 5", "--when", "true", "--under", "g-0")
    grant = json.loads(json.dumps(run_json("grants", "add", "person:bob", ECHO, *said)))
    assert (grant["granted_to"], grant["permission"]) == ("person:bob", ECHO)
    assert mesh.grants.asked == {"depth": 2, "ttl": 60.0, "conditions": ["uses < 5", "true"], "parent": "g-0"}


def test_a_grant_is_taken_back_with_what_hangs_from_it(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """How many ended is told."""
    assert run("grants", "revoke", "g-1").stdout == "3 revoked\n"
    assert run("grants", "revoke", "g-2").stdout == "it was revoked before\n"
    assert run_json("grants", "revoke", "g-1") == {"revoked": 3}
    assert mesh.grants.asked == {}


def test_a_check_answers_people_and_scripts(mesh: Mesh, run: Run) -> None:
    """Exit code 1 where it may not be done."""
    assert run("grants", "check", ECHO).stdout == "yes: because\n"
    mesh.grants.allowed = False
    said = ("--for", "agent:crowd", "--acting-for", "person:ann", "--context", '{"project": "atlas"}')
    refused = run("grants", "check", ECHO, *said)
    assert (refused.exit_code, refused.stdout) == (1, "no: because\n")
    assert mesh.grants.asked == {
        "permission": ECHO,
        "principal": "agent:crowd",
        "acting_for": ["person:ann"],
        "context": {"project": "atlas"},
    }


def test_a_permission_is_asked_for_approved_and_denied(mesh: Mesh, run: Run) -> None:
    """Ids are printed, to go on with."""
    assert run("grants", "request", ECHO, "--why", "to say hello", "--ttl", "60").stdout == "r-1\n"
    assert run("grants", "request", ECHO).exit_code == 2
    assert "to say hello" in run("grants", "requests", "--from", "person:ann", "--status", "pending").stdout
    assert mesh.grants.asked == {"requester": "person:ann", "status": RequestStatus.PENDING}
    assert run("grants", "approve", "r-1", "--comment", "welcome", "--ttl", "30").stdout == "g-1\n"
    assert mesh.grants.asked == {"comment": "welcome", "ttl": 30.0}
    assert run("grants", "deny", "r-1").stdout == "denied\n"
