"""ToolService: MCP servers, added, started and stopped by people; a tool itself is called as any capability."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from google.protobuf.duration_pb2 import Duration

from a2a_node.model.call import Call
from a2a_node.model.errors import InvalidInput, PageTokenInvalid, ServerNotFound
from a2a_node.model.pages import after_token, page_size, page_token
from a2a_node.model.server_checks import checked_server_id
from a2a_node.model.servers import Server, ServerFilter, ServerStatus, Wish
from a2a_node.model.tool_ports import NewServer, Servers
from a2a_node.model.tools import ServerTool
from a2a_node.services.fields import checked_span
from a2a_node.wire.server_configs import to_config
from a2a_node.wire.servers import BY_STATUS, BY_TYPE, from_server, from_tool
from a2amesh.v1 import tool_service_pb2 as pb

Lines = Callable[[str, str, int], Awaitable[Sequence[str]]]
GRACE, LONGEST_GRACE = 5.0, 60.0  # seconds
PARTING = 20.0  # seconds beyond the grace until a copy must have ended, or its node is not there any more
LOOK = 0.05  # seconds between two looks whether it has
MOST_LINES = 1000
ALIVE = (ServerStatus.RUNNING, ServerStatus.STARTING, ServerStatus.UNHEALTHY)


class ToolService:
    """MCP servers of the mesh; `lines` reads the log of a copy, by the server's id, a node's id and how many."""

    descriptor = pb.DESCRIPTOR.services_by_name["ToolService"]

    def __init__(self, servers: Servers, lines: Lines) -> None:
        self._servers, self._lines = servers, lines

    async def add_server(self, request: pb.AddServerRequest, _: Call) -> pb.AddServerResponse:
        """Add a server, or give one another configuration."""
        server_id = checked_server_id("server_id", request.server_id)
        if not request.HasField("config"):
            raise InvalidInput("config", "is required")
        start = request.start if request.HasField("start") else True
        wish = Wish.RUN if start else Wish.STOP
        added = await self._servers.add(NewServer(server_id, to_config(request.config), wish, request.replace))
        return pb.AddServerResponse(server=from_server(added))

    async def remove_server(self, request: pb.RemoveServerRequest, _: Call) -> pb.RemoveServerResponse:
        """Stop a server and forget it."""
        server_id, grace = checked_server_id("server_id", request.server_id), _grace(request.grace, request)
        try:
            await self._stopped(server_id, grace)
        except ServerNotFound:
            return pb.RemoveServerResponse(removed=False)
        return pb.RemoveServerResponse(removed=await self._servers.remove(server_id))

    async def start_server(self, request: pb.StartServerRequest, _: Call) -> pb.StartServerResponse:
        """Start a server that does not run."""
        server = await self._servers.get(checked_server_id("server_id", request.server_id))
        if server.wish is Wish.STOP or server.status not in ALIVE:
            server = await self._servers.wish(server.id, Wish.RUN)
        return pb.StartServerResponse(server=from_server(server))

    async def stop_server(self, request: pb.StopServerRequest, _: Call) -> pb.StopServerResponse:
        """Stop a server until somebody starts it."""
        server_id, grace = checked_server_id("server_id", request.server_id), _grace(request.grace, request)
        return pb.StopServerResponse(server=from_server(await self._stopped(server_id, grace)))

    async def restart_server(self, request: pb.RestartServerRequest, _: Call) -> pb.RestartServerResponse:
        """Stop a server and start it again."""
        server_id, grace = checked_server_id("server_id", request.server_id), _grace(request.grace, request)
        server = await self._servers.wish(server_id, Wish.RUN, grace, restart=True)
        return pb.RestartServerResponse(server=from_server(server))

    async def list_servers(self, request: pb.ListServersRequest, _: Call) -> pb.ListServersResponse:
        """The servers that fit the filters, by name."""
        fits = ServerFilter(BY_STATUS.get(request.status), BY_TYPE.get(request.type), request.node_id)
        size, scope = page_size(request.page_size), repr(("servers", fits))
        found = await self._servers.list(fits, after_token(scope, request.page_token), size + 1)
        page = found[:size]
        token = page_token(scope, page[-1].id) if len(found) > size else ""
        return pb.ListServersResponse(servers=[from_server(server) for server in page], next_page_token=token)

    async def get_server(self, request: pb.GetServerRequest, _: Call) -> pb.GetServerResponse:
        """All that is known of a server, and what it wrote last."""
        server = await self._servers.get(checked_server_id("server_id", request.server_id))
        if request.log_lines < 0:
            raise InvalidInput("log_lines", "must not be negative")
        many = min(request.log_lines, MOST_LINES)
        lines = await self._lines(server.id, request.node_id, many) if many else ()
        return pb.GetServerResponse(server=from_server(server), log_lines=lines)

    async def list_tools(self, request: pb.ListToolsRequest, _: Call) -> pb.ListToolsResponse:
        """The tools that fit the filters, by server and name."""
        if request.server_id:
            await self._servers.get(checked_server_id("server_id", request.server_id))
        can = request.callable if request.HasField("callable") else None
        wanted = (request.server_id, request.query.lower(), can)
        size, scope = page_size(request.page_size), repr(("tools", *wanted))
        page: list[tuple[str, int, ServerTool]] = []
        async for place in self._tools(request.server_id, _place(after_token(scope, request.page_token))):
            if _fits(place[2], *wanted[1:]):
                page.append(place)
            if len(page) > size:
                break
        token = page_token(scope, f"{page[size - 1][0]} {page[size - 1][1]}") if len(page) > size else ""
        return pb.ListToolsResponse(
            tools=[from_tool(name, tool) for name, _, tool in page[:size]], next_page_token=token
        )

    async def _stopped(self, server_id: str, grace: float) -> Server:
        """The server once no copy of it is left; as it stands then, where one takes too long to end."""
        server = await self._servers.wish(server_id, Wish.STOP, grace)
        for _ in range(round((grace + PARTING) / LOOK)):
            if not server.copies and not server.holder:
                break
            await asyncio.sleep(LOOK)
            server = await self._servers.get(server_id)
        return server

    async def _tools(self, server_id: str, after: tuple[str, int]) -> AsyncIterator[tuple[str, int, ServerTool]]:
        """All tools after a place, each with its place: its server, and its number there."""
        async for name in self._names(server_id, after[0]):
            tools = sorted(await self._servers.tools(name), key=lambda tool: (tool.capability, tool.tool))
            for number, tool in enumerate(tools):
                if (name, number) > after:
                    yield name, number, tool

    async def _names(self, server_id: str, since: str) -> AsyncIterator[str]:
        if server_id:
            yield server_id
            return
        if since:
            yield since
        while found := await self._servers.list(ServerFilter(), since, 100):
            for server in found:
                yield server.id
            since = found[-1].id


def _fits(tool: ServerTool, query: str, can: bool | None) -> bool:  # noqa: FBT001 - a filter, absent or not
    said = f"{tool.tool}\n{tool.capability}\n{tool.title}\n{tool.description}".lower()
    return query in said and can in (None, not tool.problem)


def _place(text: str) -> tuple[str, int]:
    name, _, number = text.partition(" ")
    try:
        return name, int(number) if number else -1
    except ValueError:
        raise PageTokenInvalid from None


def _grace(
    message: Duration, request: pb.StopServerRequest | pb.RemoveServerRequest | pb.RestartServerRequest
) -> float:
    return checked_span("grace", message, 0.0, LONGEST_GRACE) if request.HasField("grace") else GRACE
