"""MCP servers go to messages and back whole."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import UTC, datetime

import pytest

from a2a_node.model.errors import InvalidInput
from a2a_node.model.servers import HealthStatus, Server, ServerCopy, ServerStatus, Wish
from a2a_node.model.tools import (
    HealthCheck,
    Http,
    Placement,
    RestartRules,
    ServerConfig,
    ServerLimits,
    ServerTool,
    ServerValue,
    Stdio,
)
from a2a_node.wire.server_configs import from_config, shown_config, to_config
from a2a_node.wire.servers import from_server, from_tool, to_server, to_tool
from a2amesh.v1 import tool_pb2 as pb

THEN, LATER = datetime(2026, 11, 27, 12, tzinfo=UTC), datetime(2026, 11, 27, 13, tzinfo=UTC)
VALUES = {"KEY": ServerValue("s3cr3t"), "NAMED": ServerValue(secret_name="token")}
FULL = ServerConfig(
    Stdio("/bin/files", ("-a", "b"), VALUES, "/srv"),
    Placement.EVERY_NODE,
    {"disk": "fast"},
    HealthCheck(7.0, 1.5, 4),
    RestartRules(0.5, 8.0, 3, 120.0),
    ServerLimits(1 << 30, 60, 128, 50),
    12.5,
    4096,
)
COPY = ServerCopy("one", ServerStatus.FAILED, HealthStatus.UNHEALTHY, 3, THEN, LATER, "exited with code 1")
SERVER = Server(
    id="files",
    config=FULL,
    wish=Wish.RUN,
    generation=0,
    starts=0,
    created_at=THEN,
    updated_at=LATER,
    status=ServerStatus.FAILED,
    health=HealthStatus.UNHEALTHY,
    restarts=3,
    last_restart=THEN,
    last_health_check=LATER,
    problem="exited with code 1",
    tool_count=5,
    copies=[COPY],
)
TOOL = ServerTool("read", "Read!", "Reads", "Reads a file.", {"type": "object"}, {"type": "object"}, True, False, None)  # noqa: FBT003 - hints


@pytest.mark.parametrize(
    "config",
    [FULL, ServerConfig(Http("http://127.0.0.1:9/mcp", VALUES)), ServerConfig(Stdio("files"))],
    ids=["full", "http", "usual"],
)
def test_a_configuration_goes_round(config: ServerConfig) -> None:
    """Every field, those of the usual values too."""
    assert to_config(from_config(config)) == config
    assert shown_config(from_config(config)) == config


def test_what_is_absent_means_the_usual() -> None:
    """A message with a command alone is a configuration with nothing else."""
    assert to_config(pb.McpServerConfig(stdio=pb.McpStdio(command="files"))) == ServerConfig(Stdio("files"))


def test_a_short_interval_shortens_what_depends_on_it() -> None:
    """So that nobody has to name all of them."""
    message = pb.McpServerConfig(stdio=pb.McpStdio(command="x"))
    message.health.interval.FromMilliseconds(1000)
    message.restart.max_backoff.FromMilliseconds(100)
    config = to_config(message)
    assert (config.health.timeout, config.restart.initial_backoff) == (1.0, 0.1)


@pytest.mark.parametrize("status", [*ServerStatus])
def test_a_server_goes_round(status: ServerStatus) -> None:
    """All that people see of it; what only nodes know stays with them."""
    wish = Wish.STOP if status is ServerStatus.STOPPED else Wish.RUN
    server = replace(SERVER, status=status, wish=wish)
    assert to_server(from_server(server)) == server
    assert to_server(from_server(replace(server, last_restart=None, copies=[]))).last_restart is None


def test_a_tool_goes_round() -> None:
    """A hint that was not given is none."""
    assert to_tool(from_tool("files", TOOL)) == TOOL
    bare = ServerTool("a", "a", problem="no schema")
    assert to_tool(from_tool("files", bare)) == bare
    assert {field.name for field in fields(ServerTool)} <= {
        *(field.name for field in pb.McpTool.DESCRIPTOR.fields),
    }


def test_a_server_without_a_transport_is_refused() -> None:
    """By the field."""
    with pytest.raises(InvalidInput, match=r"config\.transport"):
        to_config(pb.McpServerConfig())
