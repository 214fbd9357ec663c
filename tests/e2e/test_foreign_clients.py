"""Go and TypeScript programs at a node: as clients, and as agents that attach."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from tests.e2e.foreign import Foreign, in_go, in_typescript
from tests.e2e.nodes import RunningNode, running_node


@pytest.fixture(params=["go", "typescript"])
def foreign(request: pytest.FixtureRequest) -> Foreign:
    """The examples of each language in turn, built."""
    if request.param == "go":
        return in_go(request.getfixturevalue("go_examples"))
    return in_typescript(request.getfixturevalue("typescript_examples"))


def test_a_foreign_client_calls_an_agent_in_python(foreign: Foreign, node: RunningNode) -> None:
    """The built-in agent answers clients of other languages."""
    answered = foreign.ask(node, "echo", "say", {"text": "hello"})
    assert answered.returncode == 0, answered.stderr
    assert json.loads(answered.stdout) == {"text": "hello"}


def test_a_foreign_client_calls_an_agent_of_its_own_language(foreign: Foreign, node: RunningNode) -> None:
    """An attached agent answers, and knows its path and the time that is left."""
    with foreign.attached(node):
        answered = foreign.ask(node, foreign.agent, "relay", {"route": [], "text": "hello"})
    assert answered.returncode == 0, answered.stderr
    passed = json.loads(answered.stdout)
    (stop,) = passed["stops"]
    assert passed["text"] == "hello"
    assert (stop["agent"], stop["path"]) == (foreign.agent, [foreign.agent])
    assert 0 < stop["seconds_left"] <= 10


def test_a_foreign_client_hears_why_a_call_failed(foreign: Foreign, node: RunningNode) -> None:
    """Code and reason of the mesh reach clients of other languages."""
    refused = foreign.ask(node, "nobody", "say", {})
    assert refused.returncode == 1
    assert refused.stderr.startswith("NOT_FOUND AGENT_NOT_FOUND: ")


def test_a_foreign_agent_refuses_what_it_cannot_read(foreign: Foreign, node: RunningNode) -> None:
    """An agent in another language names its own failures: here an input of the wrong type."""
    with foreign.attached(node):
        refused = foreign.ask(node, foreign.agent, "relay", {"route": "nowhere", "text": "hello"})
    assert refused.stderr.startswith("INVALID_ARGUMENT INVALID_INPUT: ")
    assert "route" in refused.stderr


def test_a_foreign_agent_hands_on_the_reason_of_a_failure(foreign: Foreign, node: RunningNode) -> None:
    """What an agent further on was refused comes back with its code and reason."""
    with foreign.attached(node):
        refused = foreign.ask(node, foreign.agent, "relay", {"route": ["nobody"], "text": "hello"})
    assert refused.stderr.startswith("NOT_FOUND AGENT_NOT_FOUND: ")


def test_a_foreign_agent_that_is_told_to_stop_leaves(foreign: Foreign, node: RunningNode) -> None:
    """After SIGTERM it ends by itself, and the mesh knows at once that it is gone."""
    with foreign.attached(node) as program:
        program.ends()
    refused = foreign.ask(node, foreign.agent, "relay", {"route": [], "text": "hello"})
    assert refused.stderr.startswith("UNAVAILABLE NO_INSTANCE: ")


def test_a_foreign_agent_dials_again_after_its_node_was_killed(foreign: Foreign, data_dir: Path) -> None:
    """A node that comes back after kill -9 has its foreign agents again."""
    with running_node(data_dir) as node, foreign.attached(node) as program:
        node.program.end(signal.SIGKILL)
        program.forget()
        with running_node(data_dir, grpc_port=int(node.address.rpartition(":")[2])) as again:
            program.line(f"attached {foreign.agent} to ")
            answered = foreign.ask(again, foreign.agent, "relay", {"route": [], "text": "hello"})
    assert answered.returncode == 0, answered.stderr
