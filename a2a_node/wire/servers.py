"""MCP servers and their tools to messages and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from google.protobuf.struct_pb2 import Struct

from a2a_node.model.servers import HealthStatus, Server, ServerCopy, ServerStatus, Wish
from a2a_node.model.tools import AGENT_PREFIX, ServerTool, ServerType
from a2a_node.wire.agents import timestamp
from a2a_node.wire.grants import moment_in
from a2a_node.wire.payloads import from_mapping, to_mapping
from a2a_node.wire.server_configs import from_config, shown_config
from a2amesh.v1 import tool_pb2 as pb

STATUSES = {status: pb.McpServerStatus.Value(f"MCP_SERVER_STATUS_{status.name}") for status in ServerStatus}
TYPES = {kind: pb.McpServerType.Value(f"MCP_SERVER_TYPE_{kind.name}") for kind in ServerType}
_HEALTHS = {
    HealthStatus.UNKNOWN: pb.MCP_HEALTH_STATUS_UNSPECIFIED,
    HealthStatus.HEALTHY: pb.MCP_HEALTH_STATUS_HEALTHY,
    HealthStatus.UNHEALTHY: pb.MCP_HEALTH_STATUS_UNHEALTHY,
}
BY_STATUS = {message: status for status, message in STATUSES.items()}
BY_TYPE = {message: kind for kind, message in TYPES.items()}
_BY_HEALTH = {message: health for health, message in _HEALTHS.items()}
HINTS = ("read_only", "destructive", "idempotent")


def from_server(server: Server) -> pb.McpServer:
    """The message of a server as it is shown; the store has taken the values of its secrets out."""
    return pb.McpServer(
        server_id=server.id,
        type=TYPES[server.config.type],
        status=STATUSES[server.status],
        config=from_config(server.config),
        restarts=server.restarts,
        last_restart_time=timestamp(server.last_restart),
        last_health_check_time=timestamp(server.last_health_check),
        health_status=_HEALTHS[server.health],
        problem=server.problem,
        tool_count=server.tool_count,
        copies=[_from_copy(copy) for copy in server.copies],
        create_time=timestamp(server.created_at),
        update_time=timestamp(server.updated_at),
    )


def to_server(message: pb.McpServer) -> Server:
    """The server of a message, as far as it is told."""
    status = BY_STATUS.get(message.status, ServerStatus.STARTING)
    return Server(
        id=message.server_id,
        config=shown_config(message.config),
        wish=Wish.STOP if status is ServerStatus.STOPPED else Wish.RUN,
        generation=0,
        starts=0,
        created_at=message.create_time.ToDatetime(UTC),
        updated_at=message.update_time.ToDatetime(UTC),
        status=status,
        health=_BY_HEALTH.get(message.health_status, HealthStatus.UNKNOWN),
        restarts=message.restarts,
        last_restart=moment_in(message, "last_restart_time"),
        last_health_check=moment_in(message, "last_health_check_time"),
        problem=message.problem,
        tool_count=message.tool_count,
        copies=[_to_copy(copy) for copy in message.copies],
    )


def from_tool(server_id: str, tool: ServerTool) -> pb.McpTool:
    """The message of a tool."""
    message = pb.McpTool(
        server_id=server_id,
        agent=f"{AGENT_PREFIX}{server_id}",
        capability=tool.capability,
        tool=tool.tool,
        title=tool.title,
        description=tool.description,
        input_schema=_schema(tool.input_schema),
        output_schema=None if tool.output_schema is None else _schema(tool.output_schema),
        problem=tool.problem,
    )
    for hint in HINTS:
        said = getattr(tool, hint)
        if said is not None:
            setattr(message, hint, said)
    return message


def to_tool(message: pb.McpTool) -> ServerTool:
    """The tool of a message."""
    output = to_mapping(message.output_schema) if message.HasField("output_schema") else None
    return ServerTool(
        message.capability,
        message.tool,
        message.title,
        message.description,
        to_mapping(message.input_schema),
        output,
        message.read_only if message.HasField("read_only") else None,
        message.destructive if message.HasField("destructive") else None,
        message.idempotent if message.HasField("idempotent") else None,
        message.problem,
    )


def _schema(schema: Mapping[str, object]) -> Struct:
    return from_mapping(schema, "schema")


def _from_copy(copy: ServerCopy) -> pb.McpServerCopy:
    return pb.McpServerCopy(
        node_id=copy.node_id,
        status=STATUSES[copy.status],
        health_status=_HEALTHS[copy.health],
        restarts=copy.restarts,
        start_time=timestamp(copy.started_at),
        retry_time=timestamp(copy.retry_at),
        problem=copy.problem,
    )


def _to_copy(message: pb.McpServerCopy) -> ServerCopy:
    return ServerCopy(
        message.node_id,
        BY_STATUS.get(message.status, ServerStatus.STARTING),
        _BY_HEALTH.get(message.health_status, HealthStatus.UNKNOWN),
        message.restarts,
        moment_in(message, "start_time"),
        moment_in(message, "retry_time"),
        message.problem,
    )
