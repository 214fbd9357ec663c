"""Runs of workflows as people see them: commands in processes of their own, real nodes, and one that dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path

import pytest

from tests.e2e.mesh_nodes import Nodes
from tests.e2e.nodes import A2A_NODE, RunningNode
from tests.e2e.processes import Program

GREET = """\
name: greet-all
description: Says hello, and waits where it is asked to.
inputs:
  name: {type: string}
  wait: {type: boolean, default: false}
steps:
  hello: {agent: echo, capability: say, input: {text: "hello ${{ inputs.name }}"}}
  each:
    agent: echo
    capability: say
    needs: hello
    foreach: "['a', 'b', 'c']"
    input: {text: "${{ item }} ${{ steps.hello.output.text }}"}
  gate:
    needs: each
    if: inputs.wait
    approval: {permission: "workflow:greet-all:approve", question: Say goodbye?}
output: {text: "${{ steps.hello.output.text }}"}
"""
BREAKS = """\
name: breaks
steps:
  good: {agent: echo, capability: say, input: {text: x}}
  bad: {agent: echo, capability: fail, needs: good, input: {}}
"""


@pytest.fixture
def templates(tmp_path: Path) -> Path:
    """A folder of templates."""
    for name, source in (("greet.yaml", GREET), ("breaks.yaml", BREAKS)):
        (tmp_path / name).write_text(source)
    return tmp_path


def asked(node: RunningNode, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """A command against a node, to its end."""
    command = [A2A_NODE, "workflow", *words]
    environ = os.environ | node.environ
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_file_is_run_followed_and_told(node: RunningNode, templates: Path) -> None:
    """In one command; then as a timeline, a list, a picture, and for programs."""
    done = asked(node, "run", templates / "greet.yaml", "-i", "name=5")
    assert done.returncode == 0, done.stdout + done.stderr
    run_id = done.stderr.split()[-1]
    lines = done.stdout.splitlines()
    assert any(line.startswith("✓ hello completed") for line in lines)
    assert any(line.startswith("✓ each completed") and "3 of 3 items" in line for line in lines)
    assert any(line.startswith("- gate skipped") for line in lines)
    assert lines[-1].startswith("✓ greet-all completed")
    told = json.loads(asked(node, "show", run_id, "--json").stdout)
    assert (told["status"], told["output"], told["inputs"]["name"]) == ("completed", {"text": "hello 5"}, "5")
    assert '{"text":"hello 5"}' in asked(node, "show", run_id).stdout
    assert run_id in asked(node, "runs", "--template", "greet-all", "--status", "completed").stdout
    picture = templates / "run.svg"
    assert asked(node, "graph", run_id, "--svg", picture).returncode == 0
    assert picture.read_text().count('class="step completed"') == 2
    assert asked(node, "watch", run_id, "--after", "1000").returncode == 0


def test_a_run_that_fails_ends_its_command_so(node: RunningNode, templates: Path) -> None:
    """With what failed; and it fails again when it is taken up again."""
    done = asked(node, "run", templates / "breaks.yaml")
    assert done.returncode == 1
    assert "✗ bad failed" in done.stdout
    run_id = done.stderr.split()[-1]
    assert asked(node, "retry", run_id).returncode == 0
    again = asked(node, "watch", run_id)
    assert (again.returncode, again.stdout.count("✓ good completed")) == (1, 1)
    assert "RUN_STATE_CONFLICT" in asked(node, "pause", run_id).stderr
    assert asked(node, "run", "greet-all-that-there-is-not").returncode == 1


def test_a_run_is_followed_over_the_death_of_its_node(nodes: Nodes, templates: Path) -> None:
    """At the next node, each event once; there somebody approves, and it completes."""
    here, there = nodes.start(A2A_LEASE="3"), nodes.start(A2A_LEASE="3")
    environ = {"A2A_ADDRESS": f"{here.address},{there.address}", "A2A_KEY": nodes.key}
    command = (A2A_NODE, "workflow", "run", templates / "greet.yaml", "-i", "name=ann", "-i", "wait=true")
    with Program(command, environ) as following:
        run_id = following.line(r"^run (\S+)")[1]
        following.line("^\\? gate waiting Say goodbye")
        os.kill(here.pid, signal.SIGKILL)
        assert asked(there, "approve", run_id, "gate", "--comment", "yes").returncode == 0
        following.line("✓ greet-all completed", timeout=90)
        following.ends(None)
        for words in ("✓ hello completed", "✓ each completed", "✓ gate completed"):
            assert following.output.count(words) == 1
