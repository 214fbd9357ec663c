"""MCP servers: how each is run, and what tools it offers. Spans are in seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

AGENT_PREFIX = "mcp."  # a server is the agent `mcp.<server_id>`
LINE = 4096  # characters that are kept of a line of a server's log


class ServerType(StrEnum):
    """How a node speaks with an MCP server."""

    STDIO = "stdio"
    HTTP = "http"


class Placement(StrEnum):
    """On which nodes a server runs."""

    ONE_NODE = "one_node"
    EVERY_NODE = "every_node"


@dataclass(frozen=True, slots=True)
class ServerValue:
    """A value that may be secret: itself, or the name under which a node finds it among its own secrets.

    The value is empty wherever it is shown.
    """

    value: str = field(default="", repr=False)
    secret_name: str = ""


@dataclass(frozen=True, slots=True)
class Stdio:
    """A child process of the node; its environment has these values beside PATH, HOME, LANG and TMPDIR."""

    command: str
    args: tuple[str, ...] = ()
    environment: Mapping[str, ServerValue] = field(default_factory=dict)
    working_directory: str = ""  # empty means an empty directory of its own


@dataclass(frozen=True, slots=True)
class Http:
    """A server that runs by itself, spoken with over streamable HTTP."""

    url: str
    headers: Mapping[str, ServerValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """How a server is checked: by a ping."""

    interval: float = 5.0
    timeout: float = 2.0
    failures: int = 3  # in a row, until it is restarted


@dataclass(frozen=True, slots=True)
class RestartRules:
    """How a server that ended is started again; `max_restarts` within the window lead to quarantine."""

    initial_backoff: float = 0.25
    max_backoff: float = 30.0
    max_restarts: int = 10
    window: float = 600.0


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What a child process may use; 0 means no bound."""

    memory_bytes: int = 0
    cpu_seconds: int = 0
    open_files: int = 1024
    log_lines: int = 1000


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """How a server is run."""

    transport: Stdio | Http
    placement: Placement = Placement.ONE_NODE
    node_labels: Mapping[str, str] = field(default_factory=dict)
    health: HealthCheck = HealthCheck()
    restart: RestartRules = RestartRules()
    limits: ServerLimits = ServerLimits()
    call_timeout: float = 0.0  # 0 means as long as the caller's deadline
    max_result_bytes: int = 0  # 0 means the node's payload limit

    @property
    def type(self) -> ServerType:
        """How it is spoken with."""
        return ServerType.STDIO if isinstance(self.transport, Stdio) else ServerType.HTTP

    @property
    def values(self) -> Mapping[str, ServerValue]:
        """What may be secret, by name: the environment, or the headers."""
        return self.transport.environment if isinstance(self.transport, Stdio) else self.transport.headers

    def with_values(self, values: Mapping[str, ServerValue]) -> ServerConfig:
        """The same with other values."""
        if isinstance(self.transport, Stdio):
            return replace(self, transport=replace(self.transport, environment=values))
        return replace(self, transport=replace(self.transport, headers=values))


@dataclass(frozen=True, slots=True)
class ServerTool:
    """One tool of a server, and one capability of its agent."""

    capability: str  # the tool's name, changed where it has not the form of a capability's name
    tool: str  # the name that the server gave
    title: str = ""
    description: str = ""  # at most 2,000 characters
    input_schema: Mapping[str, object] = field(default_factory=dict)
    output_schema: Mapping[str, object] | None = None
    read_only: bool | None = None
    destructive: bool | None = None
    idempotent: bool | None = None
    problem: str = ""  # why it cannot be called; empty when it can
