"""Servers in memory, which do as a test tells them, and the stage that they stand on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

from a2a_node.model.errors import AgentLost, InvalidInput
from a2a_node.model.servers import Server
from a2a_node.model.tool_ports import CopyChange, Progress, ServerSession
from a2a_node.model.tools import ServerConfig, ServerTool
from a2a_node.tools.supervisor import Hands

SECRETS = {"token": "s3cr3t"}


class TwinSession:
    """A session with a server that lives until it is told to end."""

    version = "1.2.0"

    def __init__(self, server_id: str, log: Callable[[str], None]) -> None:
        self.tools: Sequence[ServerTool] = (ServerTool("say", "say"),)
        self.hangs, self.log = False, log
        self._id, self._why, self._over, self._news = server_id, "", asyncio.Event(), asyncio.Event()

    def end(self, why: str) -> None:
        """The server ends by itself."""
        self._why = why
        self._over.set()

    def offer(self, *tools: ServerTool) -> None:
        """The server has other tools now."""
        self.tools = tools
        self._news.set()

    async def ping(self) -> None:
        """Answer, or hang."""
        if self.hangs:
            await asyncio.Event().wait()

    async def closed(self) -> str:
        """Why it is over."""
        await self._over.wait()
        return self._why

    async def changed(self) -> None:
        """Wait for other tools."""
        await self._news.wait()
        self._news.clear()

    async def call(self, _tool: str, _given: Mapping[str, object], _progress: Progress | None = None) -> object:
        """Nobody calls here."""
        raise AgentLost(f"mcp.{self._id}", self._id)


class Scene:
    """Opens such sessions, and remembers all that happened."""

    def __init__(self) -> None:
        self.opened: list[TwinSession] = []
        self.configs: list[ServerConfig] = []
        self.said: list[CopyChange] = []
        self.restarts: list[str] = []
        self.on_stage: list[str] = []
        self.running = 0
        self.failure: Exception | None = None
        self.lifetime: float | None = None  # seconds after which each server ends by itself
        self.ending = 0.0  # seconds that a server takes to end when it is told to

    def hands(self, say: Callable[[CopyChange], None] | None = None) -> Hands:
        """What supervisors work with."""

        def told(change: CopyChange) -> None:
            self.said.append(change)
            if say is not None:
                say(change)

        return Hands(self.open, self, secret, told, lambda _, why: self.restarts.append(why))

    @asynccontextmanager
    async def open(
        self, server_id: str, config: ServerConfig, grace: Callable[[], float], log: Callable[[str], None]
    ) -> AsyncIterator[ServerSession]:
        """Open a session, or fail."""
        del grace
        self.configs.append(config)
        if self.failure is not None:
            raise self.failure
        session = TwinSession(server_id, log)
        self.opened.append(session)
        if self.lifetime is not None:
            asyncio.get_running_loop().call_later(self.lifetime, session.end, "exited with code 3")
        self.running += 1
        try:
            yield session
        finally:
            await asyncio.shield(asyncio.sleep(self.ending))
            self.running -= 1

    @asynccontextmanager
    async def offering(self, server: Server, _session: ServerSession) -> AsyncIterator[None]:
        """Be on stage."""
        self.on_stage.append(server.id)
        try:
            yield
        finally:
            self.on_stage.remove(server.id)


def secret(name: str) -> str:
    """A secret of the node."""
    if name not in SECRETS:
        raise InvalidInput("secret_name", f"{name!r} is no secret of this node")
    return SECRETS[name]
