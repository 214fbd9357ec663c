"""Where the node is met: the servers of gRPC and HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from a2a_node.model.call import PEERS, Proceed
from a2a_node.model.mcp import ASK
from a2a_node.model.proxied import PROXIED
from a2a_node.model.web import ASKED_OF_WEB, LIVE
from a2a_node.node.ports import place
from a2a_node.node.rooms import Rooms
from a2a_node.node.tls import http_context, server_credentials
from a2a_node.pipeline.proxy import Proxy
from a2a_node.pipeline.server import Door, Front, Service, handlers_of, serving
from a2a_node.pipeline.standard import standard_handlers
from a2a_node.pipeline.steps import ENGINE
from a2a_node.services import probes
from a2a_node.services.questions import questions
from a2a_node.services.standard import Health, standard_services
from a2a_node.services.standing import Standing
from a2a_node.settings import Settings
from a2a_node.web.api.site import Site
from a2a_node.web.app import app
from a2a_node.web.edge.layers import Edge
from a2a_node.web.edge.server import serving as serving_http
from a2a_node.web.figures import Figures
from a2a_node.web.mcp.door import Door as McpDoor

GRACE = 0.5  # seconds that streams get to end once the calls have ended


@dataclass(frozen=True, slots=True)
class Web:
    """What is served over HTTP."""

    figures: Figures
    site: Site
    mcp: AbstractAsyncContextManager[McpDoor | None]
    edge: Edge


@asynccontextmanager
async def opened(
    rooms: Rooms, folded: tuple[Proceed, Proceed], services: Sequence[Service], standing: Standing, web: Web
) -> AsyncIterator[None]:
    """HTTP first, so that whoever waits for gRPC finds both. `folded` are the layers in and out."""
    settings, ports, engine = rooms.settings, rooms.itself.ports, rooms.itself.engine
    known, fresh, (incoming, outgoing) = rooms.knowledge.identities, rooms.underway.ids.fresh, folded
    front = Front(incoming, questions(fresh), Proxy(incoming, outgoing, fresh, settings.payload_limit))
    handlers = handlers_of(services, front)
    for register in standard_services(standing.health, [service.descriptor.full_name for service in services]):
        handlers |= standard_handlers(register, front)
    rooms.underway.traffic.serves((*handlers, PROXIED, ASK, LIVE, *ASKED_OF_WEB))
    callers = settings.tls_client_ca is not None
    tls = http_context(settings, known.clients) if known.clients and settings.http_secured else None
    secured = server_credentials(known.clients, callers=callers) if known.clients else None
    all_doors = [
        Door(place(settings.host, ports.grpc), secured),
        Door(place(settings.host, ports.peers), known.peers.server(), PEERS),
        Door(engine.address, name=ENGINE),
    ]
    ports.release()
    async with (
        web.mcp as mcp,
        serving_http(
            settings.http_host, ports.http, web.edge, app(standing.readiness, web.figures, web.site, mcp), tls
        ),
        _probes(settings, standing.health),
        serving(all_doors, handlers, front, payload_limit=settings.payload_limit, grace=GRACE),
    ):
        yield


def _probes(settings: Settings, health: Health) -> AbstractAsyncContextManager[None]:
    """The port for probes, where there is one."""
    if settings.health_port is None:
        return nullcontext()
    return probes.answering(place(settings.http_host, settings.health_port), health)
