"""How sessions are opened without the MCP library in every node: it is 18 MB, and is met with the first server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from a2a_node.model.tool_ports import OpenSession, ServerSession
from a2a_node.model.tools import ServerConfig


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for all sessions of a node."""

    folder: Path  # beneath it each server without a working directory has an empty one
    payload_limit: int = 16 * 1024 * 1024  # bytes


def opening(rules: Rules) -> OpenSession:
    """What opens sessions by these rules."""

    @asynccontextmanager
    async def opened(
        server_id: str, config: ServerConfig, grace: Callable[[], float], log: Callable[[str], None]
    ) -> AsyncIterator[ServerSession]:
        library = await asyncio.to_thread(import_module, "a2a_node.tools.session")
        async with library.McpSession.opened(rules, server_id, config, grace, log) as session:
            yield session

    return opened
