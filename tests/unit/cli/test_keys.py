"""`keys` and `token`: secrets are printed once, and nothing else is beside them."""

from __future__ import annotations

import json

from tests.unit.cli.conftest import Run, RunJson
from tests.unit.cli.desk import Mesh


def test_keys_are_a_table_for_people(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """Who calls by which, what bounds it, when it was used and when it ends; never a secret."""
    head, one = run("keys").stdout.splitlines()
    assert head.split() == ["id", "name", "principal", "only", "by", "used", "ends"]
    assert one.split() == ["k1", "laptop", "person:ann", "agent:*:invoke", "person:dev", "2026-11-23", "12:00", "never"]
    run("keys", "list", "--of", "person:ann", "--all")
    assert mesh.keys.asked == {"principal": "person:ann", "include_ended": True}
    shown = json.dumps(run_json("keys", "list"))
    assert "laptop" in shown
    assert "secret" not in shown
    assert "digest" not in shown


def test_a_new_key_is_printed_alone(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """For a program to take; with its record where JSON is asked for."""
    assert run("keys", "create").stdout == "a2a_k1_secret\n"
    assert mesh.keys.asked == {"name": ""}
    said = ("--for", "agent:echo", "--only", "agent:*:invoke", "--only", "call:read", "--ttl", "60")
    made = run_json("keys", "create", "laptop", *said)
    assert isinstance(made, dict)
    assert (made["id"], made["secret"]) == ("k1", "a2a_k1_secret")
    permissions = ["agent:*:invoke", "call:read"]
    assert mesh.keys.asked == {"name": "laptop", "principal": "agent:echo", "permissions": permissions, "ttl": 60.0}


def test_a_key_is_revoked_by_its_id(mesh: Mesh, run: Run) -> None:
    """Never by its secret, which does not belong on a command line."""
    assert run("keys", "revoke", "k1").stdout == "revoked\n"
    assert mesh.keys.asked == {"key_id": "k1"}


def test_a_token_is_printed_alone(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """As it is sent."""
    assert run("token").stdout == "one.two.three\n"
    assert mesh.keys.asked == {"audience": ()}
    told = run_json("token", "--audience", "elsewhere", "--ttl", "60", "--only", "call:read")
    assert told == {"token": "one.two.three", "id": "t1", "expires_at": "2026-11-23T12:00:00Z"}
    assert mesh.keys.asked == {"audience": ["elsewhere"], "ttl": 60.0, "permissions": ["call:read"]}
