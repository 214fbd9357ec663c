"""What is said of servers reaches the store: the latest word, and every restart."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.servers import ServerStatus
from a2a_node.model.tool_ports import CopyChange, NewServer
from a2a_node.model.tools import ServerConfig, ServerTool, Stdio
from a2a_node.testing import MemoryServers
from a2a_node.tools.reports import Reports
from tests.unit.virtual import in_no_time

TOOLS = [ServerTool("say", "say")]


async def known() -> MemoryServers:
    """A store whose server this node has."""
    store = MemoryServers()
    await store.add(NewServer("files", ServerConfig(Stdio("files"))))
    assert await store.hold("one", ["files"]) == ["files"]
    return store


def test_words_are_merged_until_they_are_written() -> None:
    """Restarts add up, and nothing that was told once is lost by what is told later."""

    async def scenario() -> None:
        store = await known()
        reports = Reports(store, "one")
        for number in range(5):
            reports.say(CopyChange("files", ServerStatus.STARTING, restarts=1))
            reports.say(CopyChange("files", ServerStatus.RUNNING, started=True, tools=TOOLS))
            reports.say(CopyChange("files", ServerStatus.FAILED, problem=f"exited with code {number}"))
        await reports.write()
        server = await store.get("files")
        assert (server.status, server.restarts, server.problem) == (ServerStatus.FAILED, 5, "exited with code 4")
        assert await store.tools("files") == TOOLS

    in_no_time(scenario())


def test_no_restart_is_lost_while_the_store_is_away() -> None:
    """It is told again until it is back."""

    async def scenario() -> None:
        store = await known()
        reports = Reports(store, "one")
        writing = asyncio.create_task(reports.run())
        store.lose()
        for _ in range(3):
            reports.say(CopyChange("files", ServerStatus.RUNNING, restarts=1, started=True))
            await asyncio.sleep(5)
        with suppress(StoreUnavailable):
            await reports.write()
        store.recover()
        await asyncio.sleep(5)
        server = await store.get("files")
        assert (server.status, server.restarts) == (ServerStatus.RUNNING, 3)
        writing.cancel()

    in_no_time(scenario())
