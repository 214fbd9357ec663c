"""What a node shows of the MCP servers that it keeps."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from a2a_node.model.servers import ServerStatus
from a2a_node.web.figures import Figure

Standing = Callable[[], Sequence[tuple[ServerStatus, bool]]]


def of_tools(standing: Standing) -> Sequence[Figure]:
    """How many servers of this node stand how."""

    def count(wanted: Callable[[ServerStatus, bool], bool]) -> Callable[[], float]:
        return lambda: sum(wanted(status, healthy) for status, healthy in standing())

    def is_up(status: ServerStatus) -> bool:
        return status in (ServerStatus.RUNNING, ServerStatus.UNHEALTHY)

    here = "MCP servers of this node that"
    return (
        Figure("a2a_mcp_servers_running", f"{here} run", count(lambda status, _: is_up(status))),
        Figure(
            "a2a_mcp_servers_healthy",
            f"{here} run and answered their last check",
            count(lambda status, healthy: is_up(status) and healthy),
        ),
        Figure(
            "a2a_mcp_servers_failed",
            f"{here} ended and wait for their next start",
            count(lambda status, _: status is ServerStatus.FAILED),
        ),
        Figure(
            "a2a_mcp_servers_quarantined",
            f"{here} ended too often and are left alone",
            count(lambda status, _: status is ServerStatus.QUARANTINED),
        ),
    )
