"""What MCP servers of this node do over time: how often each was restarted, and what its tools take to answer."""

from __future__ import annotations

from dataclasses import dataclass

from prometheus_client.metrics import Counter, Histogram
from prometheus_client.registry import CollectorRegistry

from a2a_node.model.measures import BUCKETS, OUTCOMES

MOST = 1000  # tools that have series of their own, 5 KiB each; the calls of further ones share one
SERVERS = 100  # whose restarts have series of their own; those of further ones share one
OTHER = "other"
Names = tuple[str, str]


@dataclass(frozen=True, slots=True)
class _Series:
    """What is counted of one tool."""

    outcomes: dict[str, Counter]
    times: Histogram


class ToolMeters:
    """Counts calls that have ended, and restarts; made once for a node, on its own registry."""

    def __init__(self, registry: CollectorRegistry, most: int = MOST) -> None:
        self._most = most
        self._calls = Counter(
            "a2a_mcp_tool_calls",
            "Calls of tools by servers of this node that have ended, by outcome: ok, error or cancelled",
            ["server", "tool", "outcome"],
            registry=registry,
        )
        self._times = Histogram(
            "a2a_mcp_tool_call",
            "From asking a server of this node for a tool's work to its answer",
            ["server", "tool"],
            unit="seconds",
            buckets=BUCKETS,
            registry=registry,
        )
        self._restarts = Counter(
            "a2a_mcp_server_restarts",
            "Restarts of MCP servers by this node, by server",
            ["server"],
            registry=registry,
        )
        self._series: dict[Names, _Series] = {}
        self._restarted: dict[str, Counter] = {}

    def ended(self, names: Names, outcome: str, seconds: float) -> None:
        """Count one call of a server's tool."""
        series = self._series.get(names)
        if series is None:
            names = names if len(self._series) < self._most else (OTHER, OTHER)
            series = self._series.get(names) or self._made(names)
        series.outcomes[outcome].inc()
        series.times.observe(seconds)

    def restarted(self, server: str) -> None:
        """Count one restart."""
        counter = self._restarted.get(server)
        if counter is None:
            server = server if len(self._restarted) < SERVERS else OTHER
            counter = self._restarted.setdefault(server, self._restarts.labels(server))
        counter.inc()

    def _made(self, names: Names) -> _Series:
        outcomes = {outcome: self._calls.labels(*names, outcome) for outcome in OUTCOMES}
        made = self._series[names] = _Series(outcomes, self._times.labels(*names))
        return made
