"""MCP servers of two nodes, of which one is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from a2a_node.client import MeshClient
from a2a_node.model.errors import MeshError
from tests.e2e.nodes import A2A_NODE, RunningNode, mesh_node

SERVER = Path(__file__).parents[1] / "integration" / "mcp_server.py"
PATIENCE = 60.0  # seconds
LEASE = ("--lease", "2", "--no-workflows")


@pytest.fixture
def addresses(postgres_url: str, redis_url: str) -> Mapping[str, str]:
    """Stores that nodes share."""
    return {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url}


def asked(node: RunningNode, *words: str) -> object:
    """What a command answers; None where it is refused."""
    done = subprocess.run(
        (A2A_NODE, *words),
        env={**os.environ, **node.environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )
    return json.loads(done.stdout) if done.returncode == 0 else None


def pid(node: RunningNode) -> int:
    """The server's process, when it can be called; 0 otherwise."""

    async def call() -> int:
        async with MeshClient(node.address, node.key) as mesh:
            answer = await mesh.call("mcp.odd", "pid", {})
            return int(str(answer["pid"] if isinstance(answer, dict) else answer))

    try:
        return asyncio.run(call())
    except MeshError:
        return 0


def soon(check: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + PATIENCE
    while not check():
        assert time.monotonic() < until
        time.sleep(0.1)


def gone(process: int) -> bool:
    """Whether a process has ended, though nobody may have asked how."""
    try:
        return bool(psutil.Process(process).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_server_moves_when_its_node_is_killed(addresses: Mapping[str, str], tmp_path: Path) -> None:
    """No process survives the node, and the server runs on the other one once the lease is over."""
    with mesh_node(tmp_path / "killed", addresses, *LEASE) as first:
        added = asked(first, "tools", "add", "odd", "--json", "--", sys.executable, "-I", str(SERVER))
        assert isinstance(added, dict)
        soon(lambda: pid(first) > 0)
        before = pid(first)
        children = [child.pid for child in psutil.Process(first.pid).children(recursive=True)]
        assert before in children
        with mesh_node(tmp_path / "other", addresses, *LEASE) as second:
            assert pid(second) == before
            os.kill(first.pid, signal.SIGKILL)
            soon(lambda: all(map(gone, children)))
            soon(lambda: pid(second) not in (0, before))
            shown = asked(second, "tools", "show", "odd", "--json")
            assert isinstance(shown, dict)
            assert shown["status"] == "running"
            assert len(shown["copies"]) == 1
