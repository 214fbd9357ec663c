"""Where the node is met: the servers of gRPC and HTTP, and their ports."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
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


class Ports:
    """Where the node listens, once its doors open; until then nobody else gets these ports."""

    def __init__(self, grpc: socket.socket, peers: socket.socket, http: socket.socket) -> None:
        self._kept = (grpc, peers, http)
        self.grpc, self.peers, self.http = (int(port.getsockname()[1]) for port in self._kept)

    @classmethod
    @contextmanager
    def kept(cls, settings: Settings) -> Iterator[Self]:
        """Those that the settings name, or free ones for 0; SettingInvalid when somebody listens there."""
        with ExitStack() as house:
            grpc = house.enter_context(_bound(settings.host, settings.grpc_port, "grpc_port"))
            peers = house.enter_context(_peer_port(settings))
            yield cls(grpc, peers, house.enter_context(_bound(settings.http_host, settings.http_port, "http_port")))

    def release(self) -> None:
        """Let the servers have them."""
        for port in self._kept:
            port.close()


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
    ports.release()
    async with (
        web.serving(settings.http_host, ports.http, web.app(standing.readiness, figures)),
        serving(both, handlers, front, payload_limit=settings.payload_limit, grace=GRACE),
    ):
        yield


def place(host: str, port: int) -> str:
    """An address as gRPC and URLs write it."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _peer_port(settings: Settings) -> socket.socket:
    """The port for other nodes: a free one, too, where somebody has the usual one and nobody chose it."""
    try:
        return _bound(settings.host, settings.peer_port, "peer_port")
    except SettingInvalid:
        if "peer_port" in settings.model_fields_set:
            raise
        return _bound(settings.host, 0, "peer_port")


def _bound(host: str, wanted: int, setting: str) -> socket.socket:
    """The port that is wanted, or a free one for 0; SettingInvalid when somebody listens on it."""
    port = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    port.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        port.bind((host, wanted))
    except OSError as error:
        port.close()
        raise SettingInvalid(setting, f"{place(host, wanted)} cannot be listened on: {error.strerror}") from None
    return port
