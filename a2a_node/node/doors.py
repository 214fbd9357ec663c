"""Where the node is met: the servers of gRPC and HTTP, and their ports."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Self

from a2a_node.model.call import Proceed
from a2a_node.model.errors import SettingInvalid
from a2a_node.pipeline.metrics import Traffic
from a2a_node.pipeline.server import Door, Front, Service, handlers_of, serving, standard_handlers
from a2a_node.services.agent import QUESTIONS
from a2a_node.services.standard import standard_services
from a2a_node.services.standing import Standing
from a2a_node.services.targets import TARGETS
from a2a_node.settings import Settings
from a2a_node.web import app as web
from a2a_node.web.figures import Figures

GRACE = 0.5  # seconds that streams get to end once the calls have ended


@dataclass(frozen=True, slots=True)
class Ports:
    """Where the node listens."""

    grpc: int
    http: int

    def addresses(self, host: str) -> tuple[str, str]:
        """Of gRPC and of HTTP."""
        return f"{host}:{self.grpc}", f"{host}:{self.http}"

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Those that the settings name, or free ones for 0; SettingInvalid when somebody listens there."""
        return cls(_port(settings, "grpc_port"), _port(settings, "http_port"))


@asynccontextmanager
async def opened(
    settings: Settings, ports: Ports, services: Sequence[Service], rooms: tuple[Proceed, Traffic, Standing, Figures]
) -> AsyncIterator[None]:
    """HTTP first, so that whoever waits for gRPC finds both."""
    incoming, traffic, standing, figures = rooms
    front = Front(incoming, {**QUESTIONS, **TARGETS})
    handlers = handlers_of(services, front)
    for register in standard_services(standing.health, [service.descriptor.full_name for service in services]):
        handlers |= standard_handlers(register, front)
    traffic.serves(handlers)
    address = f"{settings.host}:{ports.grpc}"
    async with (
        web.serving(settings.host, ports.http, web.app(standing.readiness, figures)),
        serving([Door(address)], handlers, front, payload_limit=settings.payload_limit, grace=GRACE),
    ):
        yield


def _port(settings: Settings, setting: str) -> int:
    """The port that a setting names, or a free one for 0; SettingInvalid when somebody listens on it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((settings.host, getattr(settings, setting)))
        except OSError as error:
            place = f"{settings.host}:{getattr(settings, setting)}"
            raise SettingInvalid(setting, f"{place} cannot be listened on: {error.strerror}") from None
        return int(probe.getsockname()[1])
