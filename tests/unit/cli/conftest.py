"""Commands run in this process, against a mesh in memory."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

import a2a_node.client
from a2a_node.cli.commands import program
from tests.unit.cli.desk import Mesh

Run = Callable[..., Result]
RunJson = Callable[..., object]


@pytest.fixture
def mesh(monkeypatch: pytest.MonkeyPatch) -> Mesh:
    """The mesh that commands find."""
    mesh = Mesh()
    monkeypatch.setattr(a2a_node.client, "MeshClient", mesh)
    return mesh


@pytest.fixture
def run() -> Run:
    """Run a command; it ends with its result, whatever its exit code."""

    def run(*words: str, stdin: str = "") -> Result:
        return CliRunner().invoke(program(words[0] if words else ""), words, input=stdin, catch_exceptions=False)

    return run


@pytest.fixture
def run_json(run: Run) -> RunJson:
    """Run a command with `--json`; the document that it printed."""

    def run_json(*words: str) -> object:
        result = run(*words, "--json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    return run_json
