"""Secrets of MCP servers are shown nowhere, whatever servers do with them; servers are kept by commands here."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from a2a_node.client import MeshClient
from a2a_node.model.audit import AuditFilter
from a2a_node.model.errors import MeshError
from tests.e2e.assistants import assistant
from tests.e2e.nodes import A2A_NODE, RunningNode, running_node
from tests.e2e.test_tools_called import until
from tests.integration.mcp_house import SECRET, SERVER
from tests.integration.receiver import Receiver

NAMED = "mellon-named-4471"  # a secret of the node's own
HEADER = "swordfish-header-2290"
PLANTED = (SECRET, NAMED, HEADER)


@pytest.fixture
def node(data_dir: Path, receiver: Receiver) -> Iterator[RunningNode]:
    """A node that tells all that it can tell."""
    options = ("--trace-endpoint", receiver.address, "--audit-calls", "--log-texts", "--no-workflows")
    with running_node(data_dir, *options) as node:
        (node.data_dir / "secrets").mkdir()
        (node.data_dir / "secrets" / "token").write_text(NAMED)
        yield node


class Desk:
    """Runs commands, and keeps all that they print."""

    def __init__(self, node: RunningNode) -> None:
        self._environ = os.environ | node.environ | {"SECRET": SECRET, "HEADER": f"Bearer {HEADER}"}
        self.printed: list[str] = []

    async def tools(self, *words: str) -> object:
        """What `a2a-node tools` answers, as JSON; AssertionError where it fails."""
        command, separator, program = (*words, "--json"), "--", list[str]()
        if "--" in words:
            place = words.index("--")
            command, program = (*words[:place], "--json"), [separator, *words[place + 1 :]]
        done = await asyncio.to_thread(self._ran, (A2A_NODE, "tools", *command, *program))
        self.printed += [done.stdout, done.stderr]
        assert done.returncode == 0, (words, done.stderr)
        return json.loads(done.stdout)

    def _ran(self, command: Sequence[str | Path]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, env=self._environ, capture_output=True, text=True, check=False, timeout=120)

    async def status(self, name: str) -> object:
        """How a server stands."""
        shown = await self.tools("show", name)
        assert isinstance(shown, dict)
        return shown["status"]


def page(node: RunningNode, path: str) -> str:
    """What HTTP answers."""
    with urllib.request.urlopen(f"http://{node.http}{path}", timeout=20) as response:
        body: bytes = response.read()
    return body.decode()


async def leaked(mesh: MeshClient, agent: str) -> list[str]:
    """Have a server tell its secrets wherever it can; what callers hear of it."""
    heard = list[str]()
    for planted in (SECRET, NAMED):  # what it has
        try:
            await mesh.call(agent, "fail", {"why": f"cannot log in with {planted}"})
        except MeshError as failure:
            heard.append(f"{failure} {failure.variables}")
    await mesh.call(agent, "garbage", {"lines": 4})
    for _ in range(2):
        with suppress(MeshError):
            await mesh.call(agent, "crash", {"say": f"{SECRET} {NAMED}"})
    assert len(heard) == 2
    return heard


async def test_secrets_of_a_server_are_shown_nowhere(node: RunningNode, receiver: Receiver) -> None:
    """Not by commands, services, logs, audit, metrics, spans or the door for MCP, though the server has them."""
    desk, heard = Desk(node), list[str]()
    program = (sys.executable, "-I", str(SERVER))
    await desk.tools("add", "odd", "--env", "SECRET", "--env", "NAMED=secret:token", "--", *program)
    await desk.tools("add", "web", "--url", "http://127.0.0.1:9/mcp", "--header", "HEADER")
    async with MeshClient(node.address, node.key) as mesh, assistant(node.key, node) as ann:

        async def runs() -> bool:
            with suppress(MeshError):
                found = await mesh.call("mcp.odd", "environment", {})
                assert isinstance(found, dict)
                assert (found["environment"]["SECRET"], found["environment"]["NAMED"]) == (SECRET, NAMED)
                return True
            return False

        await until(runs)
        heard += await leaked(mesh, "mcp.odd")
        await until(runs)
        heard += [repr(await ann.list_tools()), repr(await ann.call_tool("mesh_list_agents", {}))]
        heard.append(repr(await ann.call_tool("mcpPodd__fail", {"why": f"no {SECRET}, no {NAMED}"})))
        heard += [repr(await mesh.tools.get(name)) for name in ("odd", "web")]
        heard += [repr([one async for one in mesh.tools.list()]), repr([one async for one in mesh.tools.tools()])]
        logs = await mesh.tools.logs("odd")
        assert any("garbage 1 of ***" in entry for entry in logs)
        heard += logs
        heard += [repr(event) async for event in mesh.audit.list(AuditFilter())]
        heard += [" ".join(child.cmdline()) for child in psutil.Process(node.pid).children(recursive=True)]
        await the_rest(desk, program)
    await receiver.until(lambda spans: any(span.attributes.get("a2a.agent") == "mcp.odd" for span in spans))
    heard += [span.raw for span in receiver.spans]
    heard += [page(node, path) for path in ("/metrics", "/readyz")]
    everything = "\n".join([*heard, *desk.printed, node.program.output])
    assert "***" in everything
    assert [planted for planted in PLANTED if planted in everything] == []


async def the_rest(desk: Desk, program: tuple[str, ...]) -> None:
    """All other commands, each with what it comes to."""
    listed = await desk.tools("list")
    assert isinstance(listed, list)
    assert {server["id"] for server in listed} == {"odd", "web"}

    async def has_failed() -> bool:
        return await desk.status("web") == "failed"

    await until(has_failed)  # in between it is started again
    assert "***" in str(await desk.tools("logs", "odd"))
    assert "environment" in str(await desk.tools("offers", "odd"))
    await desk.tools("stop", "odd", "--grace", "1")
    assert await desk.status("odd") == "stopped"
    await desk.tools("start", "odd")
    await desk.tools("restart", "odd", "--grace", "1")
    await desk.tools("add", "odd", "--replace", "--stopped", "--env", "SECRET", "--", *program)
    assert await desk.status("odd") == "stopped"
    for name in ("odd", "web"):
        assert await desk.tools("remove", name) == {"removed": True}
