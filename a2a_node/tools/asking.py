"""Requests to a server, and its failures in the mesh's words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from mcp import MCPError
from mcp.shared.dispatcher import CallOptions, ProgressFnT
from mcp.shared.jsonrpc_dispatcher import JSONRPCDispatcher
from mcp.shared.transport_context import TransportContext
from mcp_types import CONNECTION_CLOSED, INVALID_PARAMS, METHOD_NOT_FOUND, REQUEST_TIMEOUT

from a2a_node.model.errors import (
    AgentFailed,
    AgentLost,
    CapabilityNotFound,
    DeadlineExceeded,
    InvalidInput,
    MeshError,
    PayloadTooLarge,
)
from a2a_node.model.tool_ports import Progress
from a2a_node.tools.stdio import TOO_LARGE
from a2a_node.tools.transports import Ends

ENDED = "Session terminated"  # what the SDK says of a server that does not know the session any more
SHOWN = 500  # characters of what a server says went wrong
Object = Mapping[str, object]


class Asking:
    """Asks one server, whose answers are taken as they come: nothing of them is trusted before it is used."""

    def __init__(self, agent: str, server_id: str, dispatcher: JSONRPCDispatcher[TransportContext], ends: Ends) -> None:
        self._agent, self._id, self._dispatcher, self._ends = agent, server_id, dispatcher, ends

    async def ask(
        self, method: str, params: Object, progress: Progress | None = None, seconds: float | None = None
    ) -> Object:
        """The server's answer; any MeshError. A task that is cancelled here tells the server to stop."""
        options: CallOptions = {}
        if seconds is not None:
            options["timeout"] = seconds
        if progress is not None:
            options["on_progress"] = _heard(progress)
        try:
            return cast("Object", await self._dispatcher.send_raw_request(method, params, options))
        except MCPError as error:
            raise self._failure(error, str(params.get("name") or method), seconds) from None

    def _failure(self, error: MCPError, what: str, seconds: float | None) -> MeshError:
        code, said = error.error.code, self._ends.mask(error.error.message[:SHOWN])
        if error.error.message == ENDED:
            self._ends.over("ended the session")
        if code == CONNECTION_CLOSED or error.error.message == ENDED:
            return AgentLost(self._agent, self._id)
        if code == REQUEST_TIMEOUT and seconds is not None:
            return DeadlineExceeded(seconds)
        if code == TOO_LARGE and isinstance(error.error.data, dict):
            return PayloadTooLarge(error.error.data["size"], error.error.data["limit"])
        if code == INVALID_PARAMS:
            return InvalidInput("input", f"is refused by the MCP server: {said}")
        if code == METHOD_NOT_FOUND:
            return CapabilityNotFound(self._agent, what, ())
        return AgentFailed(self._agent, what, said=said)


def _heard(told: Progress) -> ProgressFnT:
    async def heard(progress: float, total: float | None, message: str | None) -> None:
        note: dict[str, object] = {"progress": progress}
        if total is not None:
            note["total"] = total
        if message is not None:
            note["message"] = message
        await told(note)

    return heard
