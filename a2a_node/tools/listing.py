"""The tools of a server as they are now: listed page by page, again whenever it says that they have changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

from mcp.client.session import IncomingMessage, LoggingFnT
from mcp_types import LoggingMessageNotificationParams, ServerCapabilities, ToolListChangedNotification

from a2a_node.model.errors import MeshError
from a2a_node.model.tools import ServerTool
from a2a_node.tools.asking import Asking
from a2a_node.tools.catalogue import MOST, catalogued
from a2a_node.tools.reading import readings_of

PAGES = 200
PAUSE = 0.2  # seconds between two listings, however often a server says that its tools have changed
AGAIN = 5.0  # seconds until a listing that failed is tried again
Log = Callable[[str], None]


class Listing:
    """What a server offers; made anew for each session."""

    def __init__(self) -> None:
        self.tools: Sequence[ServerTool] = ()
        self._news = asyncio.Event()
        self._changed = asyncio.Event()

    async def hear(self, message: IncomingMessage) -> None:
        """Take note of what the server says unasked."""
        if isinstance(message, ToolListChangedNotification):
            self._news.set()

    def logged(self, log: Log) -> LoggingFnT:
        """What takes note of the server's own log."""

        async def logged(params: LoggingMessageNotificationParams) -> None:
            log(f"{params.level}: {params.data}")

        return logged

    async def changed(self) -> None:
        """Wait until the tools are others."""
        await self._changed.wait()

    async def list(self, asking: Asking, able: ServerCapabilities | None, log: Log) -> None:
        """Ask for all tools, at most MOST; any MeshError."""
        declared = (
            [] if able is None else [name for name in ("resources", "prompts") if getattr(able, name) is not None]
        )
        listed = [] if able is None or able.tools is None else await _pages(asking)
        if len(listed) > MOST:
            log(f"it lists more than {MOST} tools; those beyond are left out")
        tools = catalogued(listed, readings_of(declared))
        if tools != self.tools:
            self.tools = tools
            changed, self._changed = self._changed, asyncio.Event()
            changed.set()

    @asynccontextmanager
    async def following(self, asking: Asking, able: ServerCapabilities | None, log: Log) -> AsyncIterator[None]:
        """List again what has changed, until the block ends."""
        task = asyncio.create_task(self._follow(asking, able, log))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait((task,))

    async def _follow(self, asking: Asking, able: ServerCapabilities | None, log: Log) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            try:
                await self.list(asking, able, log)
            except MeshError as failure:
                log(f"its tools could not be listed again: {failure}")
                await asyncio.sleep(AGAIN)
                self._news.set()
            await asyncio.sleep(PAUSE)


async def _pages(asking: Asking) -> list[object]:
    listed: list[object] = []
    cursor: object = None
    for _ in range(PAGES):
        page = await asking.ask("tools/list", {} if cursor is None else {"cursor": cursor})
        tools, following = page.get("tools"), page.get("nextCursor")
        listed.extend(tools if isinstance(tools, list) else ())
        if not isinstance(following, str) or not following or following == cursor or len(listed) > MOST:
            break
        cursor = following
    return listed
