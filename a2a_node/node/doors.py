"""Where the node is met: the servers of gRPC and HTTP, and their ports."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from a2a_node.model.call import Proceed
from a2a_node.model.call_ids import CallIds
from a2a_node.model.errors import SettingInvalid
from a2a_node.model.proxied import PROXIED
from a2a_node.node.tls import PeerTls, clients_certificates, server_credentials
from a2a_node.pipeline.metrics import Traffic
from a2a_node.pipeline.proxy import Proxy
from a2a_node.pipeline.server import Door, Front, Service, handlers_of, serving, standard_handlers
from a2a_node.services.agent import questions
from a2a_node.services.standard import standard_services
from a2a_node.services.standing import Standing
from a2a_node.services.targets import TARGETS
from a2a_node.settings import Settings
from a2a_node.web import app as web
from a2a_node.web.figures import Figures

Rooms = tuple[Proceed, Proceed, Traffic, Standing, Figures, PeerTls, CallIds]
GRACE = 0.5  # seconds that streams get to end once the calls have ended


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the node listens."""

    grpc: int
    peers: int
    http: int

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that the settings name, or free ones for 0; SettingInvalid when somebody listens there."""
        grpc, http = _port(settings.host, settings.grpc_port, "grpc_port"), settings.http_port
        return cls(grpc, _peer_port(settings), _port(settings.http_host, http, "http_port"))


@asynccontextmanager
async def opened(settings: Settings, ports: Ports, services: Sequence[Service], rooms: Rooms) -> AsyncIterator[None]:
    """HTTP first, so that whoever waits for gRPC finds both."""
    incoming, outgoing, traffic, standing, figures, peers, ids = rooms
    front = Front(
        incoming, {**questions(ids.fresh), **TARGETS}, Proxy(incoming, outgoing, ids.fresh, settings.payload_limit)
    )
    handlers = handlers_of(services, front)
    for register in standard_services(standing.health, [service.descriptor.full_name for service in services]):
        handlers |= standard_handlers(register, front)
    traffic.serves((*handlers, PROXIED))
    certificates = clients_certificates(settings)
    secured = server_credentials(certificates, callers=settings.tls_client_ca is not None) if certificates else None
    both = [
        Door(place(settings.host, ports.grpc), secured),
        Door(place(settings.host, ports.peers), peers.server(), peers=True),
    ]
    async with (
        web.serving(settings.http_host, ports.http, web.app(standing.readiness, figures)),
        serving(both, handlers, front, payload_limit=settings.payload_limit, grace=GRACE),
    ):
        yield


def place(host: str, port: int) -> str:
    """An address as gRPC and URLs write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _peer_port(settings: Settings) -> int:
    """The port for other nodes: a free one, too, where somebody has the usual one and nobody chose it."""
    try:
        return _port(settings.host, settings.peer_port, "peer_port")
    except SettingInvalid:
        if "peer_port" in settings.model_fields_set:
            raise
        return _port(settings.host, 0, "peer_port")


def _port(host: str, wanted: int, setting: str) -> int:
    """The port that is wanted, or a free one for 0; SettingInvalid when somebody listens on it."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, wanted))
        except OSError as error:
            why = f"{place(host, wanted)} cannot be listened on: {error.strerror}"
            raise SettingInvalid(setting, why) from None
        return int(probe.getsockname()[1])
