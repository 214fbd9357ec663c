"""The MCP servers of the mesh that commands talk to in tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from a2a_node.client.tools import OfferedTool
from a2a_node.model.servers import HealthStatus, Server, ServerCopy, ServerStatus, Wish
from a2a_node.model.tools import ServerConfig, ServerTool, ServerValue, Stdio

THEN = datetime(2026, 11, 27, 12, tzinfo=UTC)
CONFIG = ServerConfig(Stdio("files", ("/srv",), {"KEY": ServerValue()}))
SERVER = Server(
    "files",
    CONFIG,
    Wish.RUN,
    7,
    9,
    THEN,
    THEN,
    ServerStatus.UNHEALTHY,
    HealthStatus.UNHEALTHY,
    3,
    problem="it did not answer 1 of 3 health checks\nand more",
    tool_count=2,
    holder="node-1",
    copies=[ServerCopy("node-1", ServerStatus.UNHEALTHY)],
)
OFFERED = (
    OfferedTool("files", "mcp.files", ServerTool("read", "Read", description="Reads a file.\nSlowly.")),
    OfferedTool("files", "mcp.files", ServerTool("odd", "odd", problem="its input schema is not of an object")),
)


@dataclass
class Tools:
    """One server."""

    asked: dict[str, object] = field(default_factory=dict)
    config: ServerConfig | None = None

    async def list(self) -> AsyncIterator[Server]:
        """The server."""
        yield SERVER

    async def get(self, name: str) -> Server:
        """The server."""
        return replace(SERVER, id=name)

    async def add(self, name: str, config: ServerConfig, **how: object) -> Server:
        """As it was asked for."""
        self.config, self.asked = config, {"name": name, **how}
        return replace(SERVER, id=name, config=config, status=ServerStatus.STARTING)

    async def start(self, name: str) -> Server:
        """Started."""
        self.asked = {"start": name}
        return replace(SERVER, status=ServerStatus.STARTING)

    async def stop(self, name: str, grace: float | None = None) -> Server:
        """Stopped."""
        self.asked = {"stop": name, "grace": grace}
        return replace(SERVER, status=ServerStatus.STOPPED)

    async def restart(self, name: str, grace: float | None = None) -> Server:
        """Started again."""
        self.asked = {"restart": name, "grace": grace}
        return replace(SERVER, status=ServerStatus.STARTING)

    async def remove(self, name: str, grace: float | None = None) -> bool:
        """Whether it was this one."""
        self.asked = {"remove": name, "grace": grace}
        return name == SERVER.id

    async def logs(self, name: str, lines: int, node: str) -> Sequence[str]:
        """Two lines."""
        self.asked = {"logs": name, "lines": lines, "node": node}
        return ["one", "two"]

    async def tools(self, name: str, query: str) -> AsyncIterator[OfferedTool]:
        """Its tools."""
        self.asked = {"tools": name, "query": query}
        for one in OFFERED:
            yield one
