"""MCP servers that nodes keep, and their tools; a tool is called as `mesh.call("mcp.NAME", "TOOL", {...})`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.model.servers import Server, ServerFilter
from a2a_node.model.tools import ServerConfig, ServerTool
from a2a_node.wire.agents import duration
from a2a_node.wire.server_configs import from_config
from a2a_node.wire.servers import STATUSES, TYPES, to_server, to_tool
from a2amesh.v1 import tool_pb2
from a2amesh.v1 import tool_service_pb2 as pb

_ADD = Rpc("ToolService/AddServer", pb.AddServerRequest, pb.AddServerResponse)
_REMOVE = Rpc("ToolService/RemoveServer", pb.RemoveServerRequest, pb.RemoveServerResponse)
_START = Rpc("ToolService/StartServer", pb.StartServerRequest, pb.StartServerResponse)
_STOP = Rpc("ToolService/StopServer", pb.StopServerRequest, pb.StopServerResponse)
_RESTART = Rpc("ToolService/RestartServer", pb.RestartServerRequest, pb.RestartServerResponse)
_LIST = Rpc("ToolService/ListServers", pb.ListServersRequest, pb.ListServersResponse)
_GET = Rpc("ToolService/GetServer", pb.GetServerRequest, pb.GetServerResponse)
_TOOLS = Rpc("ToolService/ListTools", pb.ListToolsRequest, pb.ListToolsResponse)
ALL = ServerFilter()


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool, and the agent and capability to call it by."""

    server_id: str
    agent: str
    tool: ServerTool


class Tools:
    """MCP servers by name; graces are in seconds, absent means 5."""

    def __init__(self, connection: Anywhere) -> None:
        self._connection = connection

    async def add(self, server_id: str, config: ServerConfig, *, start: bool = True, replace: bool = False) -> Server:
        """Add a server, and start it; ServerExists, InvalidInput."""
        request = pb.AddServerRequest(server_id=server_id, config=from_config(config), start=start, replace=replace)
        return to_server((await self._connection.ask(_ADD, request, terms())).server)

    async def remove(self, server_id: str, grace: float | None = None) -> bool:
        """Stop a server and forget it; whether there was one."""
        request = pb.RemoveServerRequest(server_id=server_id, grace=None if grace is None else duration(grace))
        return (await self._connection.ask(_REMOVE, request, terms())).removed

    async def start(self, server_id: str) -> Server:
        """Start a server that is stopped, waits, or is in quarantine; ServerNotFound."""
        request = pb.StartServerRequest(server_id=server_id)
        return to_server((await self._connection.ask(_START, request, terms())).server)

    async def stop(self, server_id: str, grace: float | None = None) -> Server:
        """Stop a server, and wait for its end; ServerNotFound."""
        request = pb.StopServerRequest(server_id=server_id, grace=None if grace is None else duration(grace))
        return to_server((await self._connection.ask(_STOP, request, terms())).server)

    async def restart(self, server_id: str, grace: float | None = None) -> Server:
        """Stop a server and start it again; ServerNotFound."""
        request = pb.RestartServerRequest(server_id=server_id, grace=None if grace is None else duration(grace))
        return to_server((await self._connection.ask(_RESTART, request, terms())).server)

    async def get(self, server_id: str) -> Server:
        """All that is known of a server, with its copies; ServerNotFound."""
        return to_server((await self._connection.ask(_GET, pb.GetServerRequest(server_id=server_id), terms())).server)

    async def logs(self, server_id: str, lines: int = 100, node_id: str = "") -> Sequence[str]:
        """The last lines of a server's stderr, the oldest first; of its copy on a node, where that is named."""
        request = pb.GetServerRequest(server_id=server_id, log_lines=lines, node_id=node_id)
        return [*(await self._connection.ask(_GET, request, terms())).log_lines]

    async def list(self, only: ServerFilter = ALL) -> AsyncIterator[Server]:
        """The servers by name, without their copies, fetched page by page."""
        request = pb.ListServersRequest(
            status=tool_pb2.MCP_SERVER_STATUS_UNSPECIFIED if only.status is None else STATUSES[only.status],
            type=tool_pb2.MCP_SERVER_TYPE_UNSPECIFIED if only.type is None else TYPES[only.type],
            node_id=only.node_id,
        )
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.servers:
                yield to_server(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def tools(self, server_id: str = "", query: str = "") -> AsyncIterator[OfferedTool]:
        """The tools of one server, or of all, fetched page by page; those that contain a text, where one is given."""
        request = pb.ListToolsRequest(server_id=server_id, query=query)
        while True:
            page = await self._connection.ask(_TOOLS, request, terms())
            for message in page.tools:
                yield OfferedTool(message.server_id, message.agent, to_tool(message))
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
