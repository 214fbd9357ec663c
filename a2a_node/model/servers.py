"""MCP servers as they stand: what is wanted of each, and what became of it on which node. Moments are the store's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from a2a_node.model.tools import AGENT_PREFIX, ServerConfig, ServerType


class ServerStatus(StrEnum):
    """How a server stands, the best first; none is terminal."""

    RUNNING = "running"
    STARTING = "starting"
    STOPPED = "stopped"
    UNHEALTHY = "unhealthy"
    FAILED = "failed"
    QUARANTINED = "quarantined"


class HealthStatus(StrEnum):
    """What the last health check found."""

    UNKNOWN = ""
    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"


class Wish(StrEnum):
    """What people want of a server."""

    RUN = "run"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class ServerCopy:
    """A server as it stands on one node."""

    node_id: str
    status: ServerStatus
    health: HealthStatus = HealthStatus.UNKNOWN
    restarts: int = 0
    started_at: datetime | None = None
    retry_at: datetime | None = None
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """A server as the store has it.

    `generation` grows with each restart that is wished and each new configuration, `starts` with each wish to start.
    """

    id: str
    config: ServerConfig
    wish: Wish
    generation: int
    starts: int
    created_at: datetime
    updated_at: datetime
    status: ServerStatus = ServerStatus.STOPPED  # the worst of its copies
    health: HealthStatus = HealthStatus.UNKNOWN
    restarts: int = 0
    grace: float = 5.0  # that its process gets to end, as last asked for
    last_restart: datetime | None = None
    last_health_check: datetime | None = None
    problem: str = ""
    tool_count: int = 0
    holder: str = ""  # the node whose lease on it holds; empty for EVERY_NODE, or while nobody has it
    copies: Sequence[ServerCopy] = ()

    @property
    def agent(self) -> str:
        """The name to call it by."""
        return f"{AGENT_PREFIX}{self.id}"


@dataclass(frozen=True, slots=True)
class ServerFilter:
    """Which servers to list; what is None or empty is not looked at."""

    status: ServerStatus | None = None
    type: ServerType | None = None
    node_id: str = ""
