"""MCP servers as the builder makes them: the fleet of this node, and the service that people keep servers by."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from a2a_node.audit.recording import Recorder
from a2a_node.mesh.server_logs import ServerLogs
from a2a_node.model.audit import LONGEST, AuditOutcome, Fact, plain
from a2a_node.model.errors import InvalidInput
from a2a_node.model.nodes import NodeStatus
from a2a_node.model.server_checks import VALUE_BYTES
from a2a_node.model.servers import Server, ServerStatus
from a2a_node.node.rooms import Rooms
from a2a_node.node.stage import McpStage
from a2a_node.services.tool import ToolService
from a2a_node.settings import Settings
from a2a_node.tools.filed import entered, filed
from a2a_node.tools.fleet import Fleet, Post
from a2a_node.tools.opening import Rules, opening
from a2a_node.tools.reports import Reports
from a2a_node.tools.supervisor import Hands, Supervisor
from a2a_node.web.tool_meters import ToolMeters

FOLDER = "mcp"  # in the data directory: of the servers' own directories
SECRETS = "secrets"  # there, too, unless a setting says otherwise


@dataclass(frozen=True, slots=True)
class Tooling:
    """What the rest of the node needs of its MCP servers."""

    service: ToolService
    fleet: Fleet
    logs: ServerLogs
    hand_over: Callable[[], Coroutine[object, object, None]]
    """Lets other nodes have the servers that they can run, each once no call of it is under way here."""

    def standing(self) -> Sequence[tuple[ServerStatus, bool]]:
        """How each server of this node stands, and whether it answered its last check."""
        return [(one.status, one.healthy) for one in self.fleet.supervisors]

    def down(self) -> Mapping[str, str]:
        """The servers of this node that do not run, by their agents' names, and how they stand."""
        return {one.server.agent: one.status.value for one in self.fleet.supervisors if not one.stands}


@asynccontextmanager
async def tooling(rooms: Rooms) -> AsyncIterator[Tooling]:
    """Keep the MCP servers that this node has until the block ends; those of the settings' file are entered first."""
    settings, servers, carriers, draining = rooms.settings, rooms.kept.servers, rooms.carriers, rooms.underway.draining
    if settings.mcp_servers is not None:
        await entered(filed(settings.mcp_servers), servers)
    reports, meters = Reports(servers, rooms.name), ToolMeters(rooms.registry)
    hands = Hands(
        opening(Rules(settings.data_dir / FOLDER / rooms.name, settings.payload_limit)),
        McpStage(carriers.hosting, meters.ended),
        _secrets(settings),
        reports.say,
        _telling(rooms.knowledge.audited.recorder, meters, rooms.name),
    )
    post = Post(rooms.name, rooms.itself.labels, settings.lease, lambda: not draining.begun)
    async with Fleet.running(
        servers, post, reports, lambda server, again: Supervisor(server, hands, again=again)
    ) as fleet:
        logs = ServerLogs(rooms.name, fleet.lines, servers, carriers.peers)
        yield Tooling(ToolService(servers, logs.read), fleet, logs, partial(_handed_over, fleet, rooms))


async def _handed_over(fleet: Fleet, rooms: Rooms) -> None:
    directory, calls = rooms.knowledge.directory, rooms.underway.calls

    def heir(server: Server) -> bool:
        return any(
            node.id != rooms.name
            and node.status is NodeStatus.ALIVE
            and server.config.node_labels.items() <= node.labels.items()
            for node in directory.nodes()
        )

    await fleet.hand_over(heir, lambda server: calls.idle_of(server.agent))


def _telling(recorder: Recorder, meters: ToolMeters, node_id: str) -> Callable[[Server, str], None]:
    """Count each restart, and put it into the audit."""

    def restarted(server: Server, why: str) -> None:
        meters.restarted(server.id)
        itself, metadata = f"node:{node_id}", {"why": plain(why, LONGEST)}
        recorder.put(
            Fact(
                "server:restart",
                outcome=AuditOutcome.SUCCEEDED,
                target=f"server:{server.id}",
                user_id=itself,
                server_id=server.id,
                metadata=metadata,
            )
        )

    return restarted


def _secrets(settings: Settings) -> Callable[[str], str]:
    folder = settings.mcp_secrets or settings.data_dir / SECRETS

    def secret(name: str) -> str:
        try:
            return _read(folder / name)
        except (OSError, ValueError):
            why = f"{name!r} is no secret of this node: put it into a file of that name in its directory of secrets"
            raise InvalidInput("secret_name", why) from None

    return secret


def _read(path: Path) -> str:
    with path.open(encoding="utf-8") as file:
        return file.read(VALUE_BYTES).removesuffix("\n")
