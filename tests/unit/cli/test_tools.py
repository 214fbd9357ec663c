"""`tools`: MCP servers, added, looked at and steered."""

from __future__ import annotations

from pathlib import Path

import pytest

from a2a_node.model.tools import Http, Placement, ServerValue, Stdio
from tests.unit.cli.conftest import Run, RunJson
from tests.unit.cli.desk import Mesh


@pytest.mark.usefixtures("mesh")
def test_servers_are_a_table_for_people(run: Run) -> None:
    """With what is wrong, in one line."""
    head, line = run("tools").stdout.splitlines()
    assert head.split() == ["name", "type", "status", "tools", "restarts", "problem"]
    assert line.split()[:5] == ["files", "stdio", "unhealthy", "2", "3"]
    assert "health checks" in line
    assert "and more" not in line


def test_a_program_is_added_as_it_is_written(mesh: Mesh, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its options are behind `--`; values come from the words, from this shell or from the node's secrets."""
    monkeypatch.setenv("OURS", "of this shell")
    values = ("--env", "A=1=2", "--env", "OURS", "--env", "B=secret:token")
    done = run("tools", "add", "files", "--cwd", ".", *values, "--label", "disk=fast", "--", "npx", "-y", "files")
    assert done.exit_code == 0, done.stderr
    assert done.stdout == "mcp.files starting; `a2a-node tools show files` tells how it goes on\n"
    config = mesh.tools.config
    assert config is not None
    environment = {"A": ServerValue("1=2"), "OURS": ServerValue("of this shell"), "B": ServerValue("", "token")}
    assert config.transport == Stdio("npx", ("-y", "files"), environment, str(Path.cwd()))
    assert (config.placement, config.node_labels) == (Placement.ONE_NODE, {"disk": "fast"})
    assert mesh.tools.asked == {"name": "files", "start": True, "replace": False}
    assert "of this shell" not in done.stdout


def test_a_url_is_added_with_its_headers(mesh: Mesh, run: Run) -> None:
    """On each node, in place of another one, not started."""
    how = ("--every-node", "--replace", "--stopped", "--header", "x=y")
    assert run("tools", "add", "web", "--url", "http://127.0.0.1:1/mcp", *how).exit_code == 0
    config = mesh.tools.config
    assert config is not None
    assert config.transport == Http("http://127.0.0.1:1/mcp", {"x": ServerValue("y")})
    assert config.placement is Placement.EVERY_NODE
    assert mesh.tools.asked == {"name": "web", "start": False, "replace": True}


@pytest.mark.usefixtures("mesh")
@pytest.mark.parametrize(
    ("words", "why"),
    [
        ((), "required after `--`"),
        (("--env", "NOBODY_HAS_THIS", "--", "x"), "this shell has none"),
        (("--label", "disk", "--", "x"), "name=value"),
    ],
)
def test_what_is_missing_is_named(run: Run, words: tuple[str, ...], why: str) -> None:
    """Before anybody is asked."""
    done = run("tools", "add", "files", *words)
    assert done.exit_code != 0
    assert why in " ".join(done.stderr.split())


def test_a_server_is_steered(mesh: Mesh, run: Run) -> None:
    """Each command says how it stands then."""
    for word, said in (("start", "starting"), ("stop", "stopped"), ("restart", "starting")):
        assert run("tools", word, "files").stdout == f"{said}\n"
        assert mesh.tools.asked[word] == "files"
    run("tools", "stop", "files", "--grace", "0.5")
    assert mesh.tools.asked == {"stop": "files", "grace": 0.5}
    assert run("tools", "remove", "files").stdout == "removed\n"
    assert run("tools", "remove", "none").stdout == "there was none\n"


def test_a_server_is_looked_at(mesh: Mesh, run: Run, run_json: RunJson) -> None:
    """Without what only nodes know of it."""
    shown = run_json("tools", "show", "files")
    assert isinstance(shown, dict)
    assert shown.keys() & {"generation", "starts", "holder", "grace"} == set()
    assert (shown["id"], shown["restarts"], shown["copies"][0]["node_id"]) == ("files", 3, "node-1")
    assert run("tools", "logs", "files", "--lines", "5", "--node", "two").stdout == "one\ntwo\n"
    assert mesh.tools.asked == {"logs": "files", "lines": 5, "node": "two"}


def test_what_it_offers_is_told_with_how_to_call_it(mesh: Mesh, run: Run) -> None:
    """Or why it cannot be called."""
    _, good, bad = run("tools", "offers", "files", "--query", "a").stdout.splitlines()
    assert good.split() == ["mcp.files", "read", "Reads", "a", "file."]
    assert bad.split(maxsplit=2)[2].strip() == "its input schema is not of an object"
    assert mesh.tools.asked == {"tools": "files", "query": "a"}
