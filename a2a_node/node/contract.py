"""The services of the contract, each with the rooms that do its work."""

from __future__ import annotations

from collections.abc import Sequence

from a2a_node.access.granting import Granting
from a2a_node.mesh.elsewhere import Elsewhere
from a2a_node.model.call import Proceed
from a2a_node.node.joining import Joined
from a2a_node.node.rooms import Rooms
from a2a_node.node.tooling import Tooling
from a2a_node.pipeline.server import Service
from a2a_node.services.access import AccessService
from a2a_node.services.agent import AgentService
from a2a_node.services.agent_host import AgentHostService
from a2a_node.services.audit import AuditService
from a2a_node.services.cache import CacheService
from a2a_node.services.limit import LimitService
from a2a_node.services.peer import PeerService
from a2a_node.services.registry import RegistryService
from a2a_node.services.session import SessionService
from a2a_node.services.workflow import WorkflowService


def contract(
    rooms: Rooms, outgoing: Proceed, joined: Joined, made: tuple[WorkflowService, Tooling]
) -> Sequence[Service]:
    """All services of the node; `outgoing` are the folded layers to an agent."""
    kept, knowledge, carriers, limits = rooms.kept, rooms.knowledge, rooms.carriers, rooms.limits
    workflows, tools = made
    calls, ids, directory = rooms.underway.calls, rooms.underway.ids, knowledge.directory
    elsewhere = Elsewhere(calls, directory, carriers.peers, (rooms.name, ids), rooms.streams.chosen.find)
    granting = Granting(kept.grants, knowledge.grants, knowledge.decisions.roots)
    return (
        AgentService(outgoing, elsewhere, rooms.streams.returning, rooms.settings.payload_limit),
        AgentHostService(carriers.attached),
        PeerService(rooms.underway.arrivals, calls, ids, joined.leaving.here, tools.logs.own),
        RegistryService(directory, joined.registrar, rooms.name),
        SessionService(kept.sessions),
        CacheService(kept.values, kept.topics),
        AccessService(kept.grants, granting, knowledge.decisions, knowledge.identities.issuing, rooms.frozen.switch),
        AuditService(kept.audit, knowledge.audited.watching, knowledge.audited.tap, rooms.name),
        LimitService(kept.limits, limits.rules, limits.limiter, directory),
        workflows,
        tools.service,
    )
