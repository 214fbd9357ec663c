"""Where an MCP server that runs becomes an agent of the mesh: its session meets the agents that this node hosts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import structlog

from a2a_node.mesh.background import background
from a2a_node.mesh.hosting import Announce, Hosting
from a2a_node.model.errors import MeshError
from a2a_node.model.servers import Server
from a2a_node.model.tool_ports import ServerSession
from a2a_node.tools.agent import Heard, ToolAgent

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
AGAIN = 1.0  # seconds until the mesh is told again of tools that it could not be told of


class McpStage:
    """The Stage of this node."""

    def __init__(self, hosting: Hosting, heard: Heard) -> None:
        """`heard` is told of the calls of all tools."""
        self._hosting, self._heard = hosting, heard

    @asynccontextmanager
    async def offering(self, server: Server, session: ServerSession) -> AsyncIterator[None]:
        """Be the server's agent until the block ends; AgentHeld, AgentOwned, InvalidInput and StoreUnavailable."""
        told = session.tools
        agent = ToolAgent(server.agent, session, self._heard)
        async with (
            self._hosting.hosting(agent) as announce,
            background(partial(_follow, agent, session, announce, told)),
        ):
            yield


async def _follow(agent: ToolAgent, session: ServerSession, announce: Announce, told: object) -> None:
    """Tell the mesh of the tools as they change, for ever."""
    while True:
        if session.tools is told:
            await session.changed()
        tools = session.tools
        try:
            await announce()
        except MeshError as failure:
            log.warning("the mesh cannot be told of a server's new tools yet", agent=agent.name, problem=str(failure))
            await asyncio.sleep(AGAIN)
        else:
            told = tools
