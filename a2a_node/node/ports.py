"""The ports of a node: taken before anything else is made, so that nobody gets them meanwhile."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Self

from a2a_node.model.errors import SettingInvalid
from a2a_node.settings import Settings


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
