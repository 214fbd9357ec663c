"""Nodes that are forked: whoever starts one cannot tell it from one that a shell has started."""

from __future__ import annotations

import os
import re
import signal
import time
from pathlib import Path

import psutil
import pytest

from tests.e2e.forkserver import node_process
from tests.e2e.nodes import A2A_NODE, RunningNode, mesh_node
from tests.e2e.processes import Program, Start, executed


def ended(start: Start, *words: str) -> tuple[int, str]:
    """The exit code of a program that does not go on, and what it has said but for the time."""
    with Program((A2A_NODE, *words), {"A2A_LEASE": "-1"} if "serve" in words else {}, start) as program:
        code = program.end(signal.SIGCONT)
        return code, re.sub(r"\S+Z ", "", program.output)


@pytest.mark.parametrize(
    "words", [("serve",), ("serve", "--lease", "3"), ("nothing",), ("--version",), ("up", "--no-such")], ids=" ".join
)
def test_what_is_forked_does_as_what_is_executed(words: tuple[str, ...]) -> None:
    """By its arguments and its environment, with the same words and the same end."""
    assert ended(node_process, *words) == ended(executed, *words)


def test_a_forked_node_is_a_process_of_its_own(node: RunningNode) -> None:
    """Not a child of the tests, and with no files of theirs."""
    forked = psutil.Process(node.pid)
    assert forked.ppid() != os.getpid()
    assert forked.cwd() == str(Path.cwd())
    assert "forkserver" in " ".join(forked.cmdline())


def test_its_id_is_its_own_until_its_end_is_known(postgres_url: str, redis_url: str, tmp_path: Path) -> None:
    """As that of any child: a test may send signals to what has ended meanwhile, and tells how it did."""
    stores = {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url}
    with mesh_node(tmp_path / "one", stores) as node:
        os.kill(node.pid, signal.SIGKILL)
        while psutil.Process(node.pid).status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
        os.kill(node.pid, signal.SIGKILL)
        node.program.ends(code=-signal.SIGKILL)
        assert not psutil.pid_exists(node.pid)
