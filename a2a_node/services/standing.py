"""How the node stands: which stores are away, which services suffer from it, and whether new calls are taken."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from a2a_node.mesh.directory import Directory
from a2a_node.mesh.drain import Draining
from a2a_node.services.standard import Health

MOST_SERVERS = 20  # that are named when they are down
STORES = ("postgres", "redis")
SUFFERING = {
    "postgres": (
        "a2amesh.v1.RegistryService",
        "a2amesh.v1.AccessService",
        "a2amesh.v1.AuditService",
        "a2amesh.v1.LimitService",
        "a2amesh.v1.ToolService",
    ),
    "redis": ("a2amesh.v1.SessionService", "a2amesh.v1.CacheService"),
}

RUNS = "a2amesh.v1.WorkflowService"  # of a node whose worker cannot be started


class Worker(Protocol):
    """The process that executes runs of workflows."""

    @property
    def stands(self) -> str:
        """How it is: off, idle, starting, ok or down; its changes are reported."""


class Standing:
    """Told by whoever watches the stores; tells gRPC health and `/readyz`.

    The node as a whole serves while it takes calls: those go on from memory without either store.
    """

    def __init__(
        self,
        services: Sequence[str],
        draining: Draining,
        directory: Directory,
        limits_alone: Callable[[], bool],
        servers_down: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`servers_down` names MCP servers that are down; the node is ready all the same, as all other calls go on."""
        self.health = Health(services)
        self._limits_alone = limits_alone
        self._draining = draining
        self._directory = directory
        self._away: frozenset[str] = frozenset()
        self._worker: Worker | None = None
        self._servers_down = servers_down

    def knows(self, worker: Worker) -> None:
        """Tell of the worker, too, which is begun last."""
        self._worker = worker

    async def told(self, away: frozenset[str]) -> None:
        """Hear which stores are away now."""
        self._away = away
        await self.report()

    async def report(self) -> None:
        """Bring gRPC health up to date."""
        suffering = [service for store in self._away for service in SUFFERING[store]]
        if self.engine() == "down":
            suffering.append(RUNS)
        await self.health.report(serving=not self._draining.begun, away=suffering)

    def stores(self) -> Mapping[str, bool]:
        """Whether each store answers."""
        return {store: store not in self._away for store in STORES}

    def engine(self) -> str:
        """How the process is that executes runs of workflows."""
        return self._worker.stands if self._worker else "off"

    def readiness(self) -> tuple[bool, Mapping[str, str]]:
        """Whether the node takes new calls, and how each thing that it depends on stands."""
        stores = {store: "away" if store in self._away else "ok" for store in STORES}
        directory = "behind" if self._directory.behind else "ok"
        limits = "own share" if self._limits_alone() else "ok"
        down = dict(sorted(self._servers_down().items())[:MOST_SERVERS])
        servers = f"{len(down)} down" if down else "ok"
        said = {"directory": directory, "limits": limits, "workflows": self.engine(), "mcp_servers": servers}
        return not self._draining.begun, stores | said | down
