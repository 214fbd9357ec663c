"""`call` and `stream`."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from a2a_node.model.errors import AgentNotFound, InvalidInput
from tests.unit.cli.conftest import Run, RunJson
from tests.unit.cli.desk import Mesh


def test_a_call_prints_the_answer(mesh: Mesh, run: Run) -> None:
    """People read indented JSON."""
    result = run("call", "greeter", "greet", '{"name": "Ann"}')
    assert result.exit_code == 0
    assert json.loads(result.stdout) == {"agent": "greeter", "capability": "greet", "value": {"name": "Ann"}}
    assert result.stdout.startswith("{\n")
    assert mesh.address is None


def test_a_call_without_input_sends_an_empty_object(mesh: Mesh, run_json: RunJson) -> None:
    """Many capabilities need none."""
    assert run_json("call", "greeter", "greet") == {"agent": "greeter", "capability": "greet", "value": {}}
    assert mesh.options == {}


def test_options_of_a_call_reach_the_client(mesh: Mesh, run: Run) -> None:
    """Those that are not given are left to the node."""
    run("call", "greeter", "greet", "--timeout", "2.5", "--idempotency-key", "k", "--address", "127.0.0.1:7")
    assert mesh.options == {"timeout": 2.5, "idempotency_key": "k"}
    assert mesh.address == "127.0.0.1:7"


def test_a_budget_is_written_as_units_and_amounts(mesh: Mesh, run: Run) -> None:
    """What makes no sense is bad usage."""
    run("call", "greeter", "greet", "--budget", "calls=2,tokens=500")
    assert mesh.options == {"budget": {"calls": 2, "tokens": 500}}
    result = run("stream", "greeter", "greet", "--budget", "calls")
    assert result.exit_code == 2
    assert "tokens=120" in result.stderr


def test_input_may_come_from_a_file_or_from_stdin(mesh: Mesh, run: Run, tmp_path: Path) -> None:
    """`@file` and `-` save quoting."""
    file = tmp_path / "input.json"
    file.write_text('{"from": "file"}')
    assert json.loads(run("call", "greeter", "greet", f"@{file}").stdout)["value"] == {"from": "file"}
    assert json.loads(run("call", "greeter", "greet", "-", stdin='["stdin"]').stdout)["value"] == ["stdin"]
    assert mesh.failure is None


def test_input_that_is_no_json_is_bad_usage(mesh: Mesh, run: Run) -> None:
    """The message says how words are quoted, and nothing is called."""
    result = run("call", "greeter", "greet", "hello")
    assert result.exit_code == 2
    assert "is no JSON" in result.stderr
    assert run("call", "greeter", "greet", "@nowhere").exit_code == 2
    assert mesh.address is None or mesh.options == {}


def test_text_and_bytes_are_printed_as_they_are(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """So that they can be piped on; in JSON text is a string, and bytes are base64."""
    mesh.answer = "plain words"
    assert run("call", "greeter", "greet").stdout == "plain words\n"
    assert run_json("call", "greeter", "greet") == "plain words"
    mesh.answer = b"\x00\xff"
    assert run("call", "greeter", "greet").stdout_bytes == b"\x00\xff"
    assert run_json("call", "greeter", "greet") == base64.b64encode(b"\x00\xff").decode()


def test_a_stream_prints_a_line_for_each_answer(mesh: Mesh, run: Run) -> None:
    """JSON lines for programs; for people words as they are."""
    mesh.answer = {"n": 1}
    assert run("stream", "greeter", "greet").stdout == '{"n":1}\na word\n'
    assert run("stream", "greeter", "greet", "--json").stdout == '{"n":1}\n"a word"\n'


def test_a_failure_is_one_line_on_stderr_and_exit_code_1(mesh: Mesh, run: Run) -> None:
    """It says what happened, what to do, and the reason for programs."""
    mesh.failure = AgentNotFound("nobody")
    result = run("call", "nobody", "greet")
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr == f"error: {mesh.failure.message} [AGENT_NOT_FOUND]\n"


def test_a_failure_names_every_field_at_fault(mesh: Mesh, run: Run) -> None:
    """The first one is in the message, the others follow."""
    mesh.failure = InvalidInput("name", "is required", [("age", "must be a number")])
    assert run("call", "greeter", "greet").stderr == (
        "error: name: is required [INVALID_INPUT]\n  age: must be a number\n"
    )


def test_a_failure_is_an_object_with_json(mesh: Mesh, run: Run) -> None:
    """With code, reason, message, variables and fields."""
    mesh.failure = InvalidInput("name", "is required")
    result = run("call", "greeter", "greet", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    assert json.loads(result.stderr)["error"] == {
        "code": "INVALID_ARGUMENT",
        "reason": "INVALID_INPUT",
        "message": "name: is required",
        "metadata": {"field": "name", "problem": "is required"},
        "violations": [{"field": "name", "description": "is required"}],
    }
