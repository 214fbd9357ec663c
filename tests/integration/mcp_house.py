"""Sessions with the server that misbehaves, and what it wrote to its log."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from a2a_node.model.tool_ports import ServerSession
from a2a_node.model.tools import ServerConfig, ServerLimits, ServerValue, Stdio
from a2a_node.tools.opening import Rules, opening

SERVER = Path(__file__).with_name("mcp_server.py")
SECRET = "sesame-open-7351"
PATIENCE = 10.0  # seconds


def misbehaving(*options: str, limits: ServerLimits = ServerLimits(), **more: object) -> ServerConfig:  # noqa: B008 - frozen
    """The server that misbehaves on command, with a secret in its environment."""
    stdio = Stdio(sys.executable, ("-I", str(SERVER), *options), {"SECRET": ServerValue(SECRET)})
    return ServerConfig(stdio, limits=limits, **more)  # type: ignore[arg-type]  # of the tests


@dataclass
class Log:
    """Lines as a session tells them."""

    lines: list[str] = field(default_factory=list)
    news: asyncio.Event = field(default_factory=asyncio.Event)

    def hear(self, line: str) -> None:
        """Take one."""
        self.lines.append(line)
        self.news.set()

    async def said(self, part: str) -> str:
        """Wait for a line that has this part."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for line in self.lines:
                    if part in line:
                        return line
                self.news.clear()
                await self.news.wait()


@asynccontextmanager
async def session(
    folder: Path, config: ServerConfig, log: Log | None = None, grace: float = 2.0, limit: int = 16 * 1024 * 1024
) -> AsyncIterator[ServerSession]:
    """A session with a server."""
    hear = (log or Log()).hear
    async with (
        asyncio.timeout(60),
        opening(Rules(folder, limit))("s", config, lambda: grace, hear) as opened,
    ):
        yield opened
