"""Configurations of MCP servers to messages and back."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from a2a_node.model.errors import InvalidInput
from a2a_node.model.server_checks import checked_config
from a2a_node.model.tools import (
    HealthCheck,
    Http,
    Placement,
    RestartRules,
    ServerConfig,
    ServerLimits,
    ServerValue,
    Stdio,
)
from a2a_node.wire.agents import duration, seconds
from a2amesh.v1 import tool_pb2 as pb

_PLACEMENTS = {Placement.ONE_NODE: pb.MCP_PLACEMENT_ONE_NODE, Placement.EVERY_NODE: pb.MCP_PLACEMENT_EVERY_NODE}
_BY_MESSAGE = {message: placement for placement, message in _PLACEMENTS.items()}


def to_config(message: pb.McpServerConfig) -> ServerConfig:
    """The checked configuration of a request; InvalidInput names the first field that is wrong."""
    kind = message.WhichOneof("transport")
    if kind is None:
        raise InvalidInput("config.transport", "is required: stdio or http")
    for name, value in _values_of(message).items():
        if value.WhichOneof("source") is None:
            raise InvalidInput(f"config.{kind}.{name}", "needs a value, or the name of a secret")
    config = shown_config(message)
    if message.limits.cpu_time.nanos:
        raise InvalidInput("config.limits.cpu_time", "must be whole seconds")
    return checked_config(config)


def shown_config(message: pb.McpServerConfig) -> ServerConfig:
    """The configuration of an answer, as it is."""
    transport: Stdio | Http
    if message.WhichOneof("transport") == "http":
        transport = Http(message.http.url, _to_values(message.http.headers))
    else:
        stdio = message.stdio
        environment = _to_values(stdio.environment)
        transport = Stdio(stdio.command, tuple(stdio.args), environment, stdio.working_directory)
    return ServerConfig(
        transport,
        _BY_MESSAGE.get(message.placement, Placement.ONE_NODE),
        dict(message.node_labels),
        _to_health(message.health),
        _to_restart(message.restart),
        _to_limits(message.limits),
        seconds(message.call_timeout),
        message.max_result_bytes,
    )


def from_config(config: ServerConfig) -> pb.McpServerConfig:
    """The message of a configuration, with whatever values are in it."""
    health, restart, limits = config.health, config.restart, config.limits
    message = pb.McpServerConfig(
        placement=_PLACEMENTS[config.placement],
        node_labels=config.node_labels,
        health=pb.McpHealthCheck(
            interval=duration(health.interval), timeout=duration(health.timeout), failures=health.failures
        ),
        restart=pb.McpRestart(
            initial_backoff=duration(restart.initial_backoff),
            max_backoff=duration(restart.max_backoff),
            max_restarts=restart.max_restarts,
            window=duration(restart.window),
        ),
        limits=pb.McpLimits(
            memory_bytes=limits.memory_bytes,
            cpu_time=duration(limits.cpu_seconds) if limits.cpu_seconds else None,
            open_files=limits.open_files,
            log_lines=limits.log_lines,
        ),
        call_timeout=duration(config.call_timeout) if config.call_timeout else None,
        max_result_bytes=config.max_result_bytes,
    )
    _say_transport(message, config.transport)
    return message


def _say_transport(message: pb.McpServerConfig, transport: Stdio | Http) -> None:
    if isinstance(transport, Http):
        message.http.url = transport.url
        _say_values(message.http.headers, transport.headers)
        return
    message.stdio.command, message.stdio.working_directory = transport.command, transport.working_directory
    message.stdio.args.extend(transport.args)
    _say_values(message.stdio.environment, transport.environment)


def _say_values(messages: MutableMapping[str, pb.McpValue], values: Mapping[str, ServerValue]) -> None:
    for name, value in values.items():
        if value.secret_name:
            messages[name].secret_name = value.secret_name
        else:
            messages[name].value = value.value


def _values_of(message: pb.McpServerConfig) -> Mapping[str, pb.McpValue]:
    stdio = {f"environment.{name}": value for name, value in message.stdio.environment.items()}
    return stdio | {f"headers.{name}": value for name, value in message.http.headers.items()}


def _to_values(messages: Mapping[str, pb.McpValue]) -> Mapping[str, ServerValue]:
    return {name: ServerValue(value.value, value.secret_name) for name, value in messages.items()}


def _to_health(message: pb.McpHealthCheck) -> HealthCheck:
    usual = HealthCheck()
    interval = _span(message, "interval", usual.interval)
    timeout = _span(message, "timeout", min(usual.timeout, interval))
    return HealthCheck(interval, timeout, message.failures or usual.failures)


def _to_restart(message: pb.McpRestart) -> RestartRules:
    usual = RestartRules()
    longest = _span(message, "max_backoff", usual.max_backoff)
    return RestartRules(
        _span(message, "initial_backoff", min(usual.initial_backoff, longest)),
        longest,
        message.max_restarts or usual.max_restarts,
        _span(message, "window", usual.window),
    )


def _to_limits(message: pb.McpLimits) -> ServerLimits:
    usual = ServerLimits()
    open_files, log_lines = message.open_files or usual.open_files, message.log_lines or usual.log_lines
    return ServerLimits(message.memory_bytes, message.cpu_time.seconds, open_files, log_lines)


def _span(message: Message, field: str, usual: float) -> float:
    if not message.HasField(field):
        return usual
    span: Duration = getattr(message, field)
    return seconds(span)
