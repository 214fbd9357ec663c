"""MCP servers to rows and back; the values of their secrets stand apart from the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields, replace

from sqlalchemy import RowMapping

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


def hidden(config: ServerConfig) -> tuple[ServerConfig, Mapping[str, str]]:
    """A configuration without the values of its secrets, and these values by name."""
    values = {name: value.value for name, value in config.values.items() if not value.secret_name}
    return config.with_values({name: replace(value, value="") for name, value in config.values.items()}), values


def shown(config: ServerConfig, values: Mapping[str, str]) -> ServerConfig:
    """The configuration with these values."""
    return config.with_values(
        {name: replace(value, value=values.get(name, "")) for name, value in config.values.items()}
    )


def written(config: ServerConfig) -> Mapping[str, object]:
    """A configuration as JSON."""
    return asdict(config) | {"type": config.type.value}


def config_of(said: Mapping[str, object]) -> ServerConfig:
    """The configuration of such JSON."""
    parts: dict[str, object] = {one.name: said[one.name] for one in fields(ServerConfig) if one.name in said}
    transport: Mapping[str, object] = _object(said["transport"])
    parts["transport"] = _stdio(transport) if said["type"] == "stdio" else _http(transport)
    parts["placement"] = Placement(str(said["placement"]))
    for name, kind in (("health", HealthCheck), ("restart", RestartRules), ("limits", ServerLimits)):
        parts[name] = kind(**_object(said[name]))  # type: ignore[arg-type]
    return ServerConfig(**parts)  # type: ignore[arg-type]


def server_of(row: RowMapping, config: ServerConfig) -> Server:
    """The server of a row of `READ`, without its copies."""
    return Server(
        id=row["id"],
        config=config,
        wish=Wish(row["wish"]),
        generation=row["generation"],
        starts=row["starts"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        status=ServerStatus(row["stands"]),
        health=HealthStatus(row["health"]),
        restarts=row["restarts"],
        grace=row["grace"],
        last_restart=row["last_restart"],
        last_health_check=row["last_health_check"],
        problem=row["trouble"],
        tool_count=row["tool_count"],
        holder=row["holds"],
    )


def copy_of(row: RowMapping) -> ServerCopy:
    """The copy of a row."""
    return ServerCopy(
        row["node_id"],
        ServerStatus(row["status"]),
        HealthStatus(row["health_status"]),
        row["restarts"],
        row["started_at"],
        row["retry_at"],
        row["problem"],
    )


def tool_of(said: Mapping[str, object]) -> ServerTool:
    """The tool of its JSON."""
    return ServerTool(**said)  # type: ignore[arg-type]


def _stdio(said: Mapping[str, object]) -> Stdio:
    args: list[str] = said["args"]  # type: ignore[assignment]
    environment = _values(said["environment"])
    return Stdio(str(said["command"]), tuple(args), environment, str(said["working_directory"]))


def _http(said: Mapping[str, object]) -> Http:
    return Http(str(said["url"]), _values(said["headers"]))


def _values(said: object) -> Mapping[str, ServerValue]:
    return {name: ServerValue(**_object(value)) for name, value in _object(said).items()}  # type: ignore[arg-type]


def _object(said: object) -> Mapping[str, object]:
    assert isinstance(said, Mapping)  # noqa: S101 - written by `written`
    return said
