"""The node at a glance, in figures that it has anyway: `/api/agent?action=status` and `/api/v1/dashboard`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from a2a_node.mesh.entries import Entry
from a2a_node.model.errors import InternalError, InvalidInput, MeshError, MethodNotAllowed
from a2a_node.model.web import DASHBOARD, STATUS
from a2a_node.web.api.callers import asking
from a2a_node.web.api.versions import VERSION
from a2a_node.web.errors import answer_of
from a2a_node.web.figures import Figures
from a2a_node.web.rpcs import Rpcs

log = structlog.get_logger()
SERVICE, MOST = "a2a-node", 100
FIGURES: Mapping[str, str] = {  # of DashboardMetrics, by the names that `/metrics` has for them
    "instances": "a2a_instances",
    "nodes": "a2a_nodes",
    "calls_in_flight": "a2a_calls_in_flight",
    "agent_load": "a2a_agent_load",
    "attached_agents": "a2a_attached_agents",
    "open_streams": "a2a_open_streams",
    "open_websockets": "a2a_open_websockets",
    "workflows": "a2a_workflow_runs",
    "mcp_servers_running": "a2a_mcp_servers_running",
    "audit_queue": "a2a_audit_queue",
}
COUNTED: Mapping[str, str] = {  # sums over all their series
    "invocations": "a2a_agent_invocations",
    "errors": "a2a_errors",
    "rate_limit_hits": "a2a_rate_limit_exceeded",
}


class Agents(Protocol):
    """The directory, as far as it is needed here."""

    def agents(self) -> Sequence[Entry]:
        """All agents, by name."""


@dataclass(frozen=True, slots=True)
class Glance:
    """What is known of the node: its id and version, its agents, how it stands, its figures."""

    node_id: str
    version: str
    agents: Agents
    readiness: Callable[[], tuple[bool, Mapping[str, str]]]
    figures: Figures

    def status(self) -> Mapping[str, object]:
        """AgentStatus."""
        about = {"service": SERVICE, "version": self.version, "time": datetime.now(UTC).isoformat()}
        return {"ok": self.readiness()[0], **about, "agents": stats(self.agents.agents())}

    async def dashboard(self) -> Mapping[str, object]:
        """DashboardMetrics."""
        ready, dependencies = self.readiness()
        shown = self.figures.read(FIGURES.values())
        counted = await self.figures.sums(COUNTED.values())
        return {
            "node_id": self.node_id,
            "version": self.version,
            "time": datetime.now(UTC).isoformat(),
            "ready": ready,
            "dependencies": dict(dependencies),
            "agents": stats(self.agents.agents()),
            **{name: shown[metric] for name, metric in FIGURES.items()},
            **{name: counted[metric] for name, metric in COUNTED.items()},
        }


def stats(entries: Sequence[Entry]) -> Mapping[str, object]:
    """AgentStats: how many agents there are, and of each category and tag, the commonest of them."""
    agents = [entry.agent for entry in entries]
    enabled = sum(agent.enabled for agent in agents)
    categories = Counter(agent.descriptor.category for agent in agents)
    tags = Counter(tag for agent in agents for tag in agent.descriptor.tags)
    return {
        "total": len(agents),
        "enabled": enabled,
        "disabled": len(agents) - enabled,
        "categories": dict(categories.most_common(MOST)),
        "tags": dict(tags.most_common(MOST)),
    }


class Glances:
    """The applications at both paths, each in the layers like any RPC."""

    def __init__(self, rpcs: Rpcs, glance: Glance) -> None:
        self._rpcs, self._glance = rpcs, glance

    async def status(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/api/agent?action=status`; any other action is bad input."""

        async def answer() -> Mapping[str, object]:
            actions = Request(scope).query_params.getlist("action")
            if actions != ["status"]:
                raise InvalidInput("action", "must be `status`, once")
            return self._glance.status()

        await self._answered(STATUS, answer, (scope, receive, send))

    async def dashboard(self, scope: Scope, receive: Receive, send: Send) -> None:
        """`/api/v1/dashboard`."""
        await self._answered(DASHBOARD, self._glance.dashboard, (scope, receive, send))

    async def _answered(
        self, method: str, answer: Callable[[], Awaitable[Mapping[str, object]]], http: tuple[Scope, Receive, Send]
    ) -> None:
        scope = http[0]
        if scope["method"] != "GET":
            await answer_of(MethodNotAllowed(scope["method"], "GET"), VERSION)(*http)
            return
        try:
            told = await self._rpcs.inside(method, asking(scope), answer)
            response = Response(orjson.dumps(told), 200, VERSION, "application/json")
        except MeshError as failure:
            response = answer_of(failure, VERSION)
        except Exception:
            log.exception("unexpected failure", method=method)
            response = answer_of(InternalError(), VERSION)
        await response(*http)
