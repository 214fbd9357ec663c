"""The official SDK's MCP server, which speaks the protocol; it is imported with the first request (18 MB, 0.5 s).

It keeps nothing between requests: whatever node a request reaches serves it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NoReturn, cast

import structlog
from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    CallToolRequestParams,
    CancelledNotificationParams,
    PaginatedRequestParams,
)

from a2a_node.model.errors import CallNotFound, InternalError, MeshError
from a2a_node.model.payload import Payload
from a2a_node.web.mcp.administration import request_of
from a2a_node.web.mcp.callers import Caller, caller_of
from a2a_node.web.mcp.calling import Request
from a2a_node.web.mcp.results import Result, said, told
from a2a_node.web.mcp.rooms import Rooms
from a2a_node.web.rpcs import Asking

log = structlog.get_logger()
KEPT = 5_000  # milliseconds that a client may keep a list of tools for
CANCEL = "/a2amesh.v1.AgentService/CancelCall"
COMPLETE = {"resultType": "complete"}  # needed since 2026-07-28, left out for clients of before
Context = ServerRequestContext[object, object]
INSTRUCTIONS = (
    "Tools named agent__capability are agents of a mesh; tools named mesh_* are about the mesh itself. A failure says "
    "its reason and what to do; its entry a2amesh/error in _meta says the same to programs."
)


def manager_of(rooms: Rooms, body_limit: int) -> StreamableHTTPSessionManager:
    """What serves requests over HTTP, one by one."""
    handlers = _Handlers(rooms)
    server = Server[object](
        "a2a-node",
        version=rooms.version,
        title="a2a-node",
        instructions=INSTRUCTIONS,
        cache_hints={"tools/list": CacheHint(ttl_ms=KEPT, scope="private")},
    )
    server.middleware.clear()  # its own tracing: the layers have theirs
    server.get_tool_input_schema = _no_headers
    server.add_request_handler("tools/list", PaginatedRequestParams, handlers.list_tools)
    server.add_request_handler("tools/call", CallToolRequestParams, handlers.call_tool)
    server.add_notification_handler("notifications/cancelled", CancelledNotificationParams, handlers.cancelled)
    return StreamableHTTPSessionManager(server, stateless=True, max_request_body_size=body_limit)


class _Handlers:
    """What is done for each method."""

    def __init__(self, rooms: Rooms) -> None:
        self._rooms = rooms

    async def list_tools(self, context: Context, params: PaginatedRequestParams) -> Result:
        """One page of the tools that the caller may use."""
        try:
            caller = caller_of(context.request)
            caller.tools, cursor = await self._rooms.catalogue.page(caller, params.cursor or "")
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            _refuse(failure)
        page: Result = {"tools": [], **COMPLETE}  # the door puts them there
        return {**page, "nextCursor": cursor} if cursor else page

    async def call_tool(self, context: Context, params: CallToolRequestParams) -> Result:
        """What came of a tool's call."""
        arguments, meta = params.arguments or {}, _meta(context)
        try:
            if params.name in self._rooms.administration:
                caller = caller_of(context.request)
                done = await self._rooms.administration.do(params.name, caller, arguments, meta)
            else:
                done = await self._called(context, params.name, arguments, meta)
        except Exception as failure:  # noqa: BLE001 - every failure is named in one place
            _refuse(failure)
        return {**done, **COMPLETE}

    async def cancelled(self, context: Context, params: CancelledNotificationParams) -> None:
        """End the call that a request of the same session has made, on whichever node it runs."""
        caller = caller_of(context.request)
        call_id = caller.call_id(params.request_id)
        if params.request_id is None or not call_id:
            return
        if not self._rooms.errands.run(self._cancel(caller, call_id, (params.reason or "")[:500])):
            log.warning("a request could not be cancelled", call_id=call_id, reason="too many at once")

    async def _cancel(self, caller: Caller, call_id: str, why: str) -> None:
        rpcs, fields = self._rooms.rpcs, {"call_id": call_id, "reason": why}
        try:
            asking = Asking(caller.metadata, caller.peer, own=True)
            await rpcs.ask(CANCEL, request_of(rpcs.methods[CANCEL], fields), asking)
        except CallNotFound:
            log.debug("a request was cancelled that has ended", call_id=call_id)
        except MeshError as failure:
            log.warning("a request could not be cancelled", call_id=call_id, reason=failure.reason)

    async def _called(
        self, context: Context, tool: str, arguments: Mapping[str, object], meta: Mapping[str, object]
    ) -> Result:
        meant = self._rooms.catalogue.meant(tool)
        if meant is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {tool[:80]!r}; tools/list names those there are")

        async def progress(number: int, output: Payload) -> None:
            await context.session.report_progress(number, message=told(output))

        wanted = progress if "progressToken" in meta else _untold
        asking = Request(caller_of(context.request), context.request_id, arguments, meta, wanted)
        return await self._rooms.calling.call(*meant, asking)


def _refuse(failure: Exception) -> NoReturn:
    """Answer with an error of the protocol; what nobody named is logged and leaves without its text."""
    if isinstance(failure, MCPError):
        raise failure
    if not isinstance(failure, MeshError):
        log.error("unexpected failure", method="mcp", exc_info=failure)
        raise MCPError(INTERNAL_ERROR, InternalError().message) from None
    raise MCPError(INVALID_PARAMS, said(failure), {"reason": failure.reason}) from None


def _meta(context: Context) -> Mapping[str, object]:
    meta = (context.params or {}).get("_meta")
    return cast("Mapping[str, object]", meta) if isinstance(meta, Mapping) else {}


async def _untold(_: int, __: Payload) -> None:
    """Nobody asked for progress."""


def _no_headers(_: str) -> None:
    """No argument of a tool has to stand in a header as well."""
