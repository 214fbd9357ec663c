"""Two nodes that have everything to do that monitoring tells of: calls of all kinds and ends, streams, runs, tools."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.client.runs import RunTerms
from a2a_node.model.errors import MeshError, ServerExists
from a2a_node.model.tools import ServerConfig, Stdio
from tests.ample import AMPLE
from tests.e2e.nodes import RunningNode, mesh_node

Act = Callable[[MeshClient], Awaitable[None]]
SERVER = Path(__file__).parents[1] / "integration" / "mcp_server.py"
QUICK = """\
name: quick
steps:
  say: {agent: echo, capability: say, input: {text: x}}
"""
GATED = """\
name: gated
steps:
  gate: {approval: {permission: "workflow:gated:approve", question: Go on?}}
"""


def far() -> Agent:
    """An agent that the second node has and the first one is asked for."""
    agent = Agent("far")

    @agent.capability(limit=AMPLE)
    async def say(text: str) -> str:
        return text

    @agent.capability(limit="5/s burst 5")
    async def scarce() -> str:
        return "lucky"

    @agent.capability(cache="60s", limit=AMPLE)
    async def known(number: int) -> int:
        return number

    @agent.capability(limit=AMPLE)
    async def count(n: int) -> AsyncIterator[int]:
        for number in range(n):
            yield number
            await asyncio.sleep(0.2)

    return agent


@contextmanager
def two_nodes(folder: Path, stores: Mapping[str, str]) -> Iterator[tuple[RunningNode, RunningNode]]:
    """Nodes of a mesh; the first one has an MCP server."""
    with ExitStack() as house:
        one, two = (
            house.enter_context(mesh_node(folder / name, stores, "--node-id", name, "--lease", "3"))
            for name in ("one", "two")
        )
        yield one, two


@contextmanager
def under_load(one: RunningNode, two: RunningNode) -> Iterator[Callable[[], None]]:
    """Keep both nodes busy until the block ends; what is given raises whatever went wrong with that."""
    failed: list[BaseException] = []
    loop = asyncio.new_event_loop()
    work = loop.create_task(_work(one, two))

    def run() -> None:
        try:
            loop.run_until_complete(work)
        except asyncio.CancelledError:
            pass
        except BaseException as failure:  # noqa: BLE001 - told to the test
            failed.append(failure)

    def goes_on() -> None:
        if failed:
            raise failed[0]

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield goes_on
    finally:
        loop.call_soon_threadsafe(work.cancel)
        thread.join()
        loop.close()
    goes_on()


async def _work(one: RunningNode, two: RunningNode) -> None:
    async with AsyncExitStack() as house:
        mesh = await house.enter_async_context(MeshClient(one.address, one.key))
        await house.enter_async_context(attached(far(), two.address, key=two.key))
        async with asyncio.TaskGroup() as group:
            for act in (_calls, _fails, _is_too_fast, _streams, _runs, _waits, _kills_its_server):
                group.create_task(_again(act, mesh))
            group.create_task(_climbs(one.http))
            group.create_task(_looks_on(one))


async def _again(act: Act, mesh: MeshClient) -> None:
    """Whatever a busy machine fails in is done again."""
    while True:
        with suppress(MeshError):
            await act(mesh)
        await asyncio.sleep(0.1)


async def _calls(mesh: MeshClient) -> None:
    await mesh.call("echo", "say", {"text": "x"})
    await mesh.call("far", "say", {"text": "x"})
    await mesh.call("far", "known", {"number": 1})


async def _fails(mesh: MeshClient) -> None:
    await mesh.call("echo", "fail", {"code": "INTERNAL"})


async def _is_too_fast(mesh: MeshClient) -> None:
    for _ in range(10):
        await mesh.call("far", "scarce")


async def _climbs(http: str) -> None:
    """A path that leads out of where it begins, which a rule keeps out."""
    while True:
        reader, writer = await asyncio.open_connection(*http.split(":"))
        writer.write(f"GET /a/../b HTTP/1.1\r\nhost: {http}\r\nconnection: close\r\n\r\n".encode())
        await reader.read()
        writer.close()
        await asyncio.sleep(1)


async def _looks_on(node: RunningNode) -> None:
    """A WebSocket on which the mesh is watched."""
    key = {"authorization": f"Bearer {node.key}"}
    async for watched in connect(f"ws://{node.http}/api/v1/events", additional_headers=key):
        with suppress(ConnectionClosed):
            await watched.send("{}")
            async for _ in watched:
                pass


async def _streams(mesh: MeshClient) -> None:
    async for _ in mesh.stream("far", "count", {"n": 10}):
        pass


async def _runs(mesh: MeshClient) -> None:
    await mesh.workflows.put(QUICK)
    while True:
        await mesh.workflows.start("quick")
        await asyncio.sleep(1)


async def _waits(mesh: MeshClient) -> None:
    """One run that waits for people."""
    await mesh.workflows.put(GATED)
    await mesh.workflows.start("gated", how=RunTerms(key="once"))
    await asyncio.Event().wait()


async def _kills_its_server(mesh: MeshClient) -> None:
    """A server that ends is started again, and counted."""
    with suppress(ServerExists):
        await mesh.tools.add("odd", ServerConfig(Stdio(sys.executable, ("-I", str(SERVER)))))
    os.kill(int(str(await mesh.call("mcp.odd", "pid"))), signal.SIGKILL)
    await asyncio.sleep(10)
