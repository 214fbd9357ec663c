"""How a store is reached: the password and the port that are kept from start to start."""

from __future__ import annotations

import json
import secrets
import socket
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from a2a_node.store.files import write_private

HOST: Final = "127.0.0.1"
# Below the ports that systems hand to outgoing connections, which could otherwise sit on a kept port, or we on theirs.
FIRST_PORT: Final = 15_000
PORTS: Final = 15_000


@dataclass(frozen=True, slots=True)
class Access:
    """The password and the port of one store."""

    port: int
    password: str = field(repr=False)

    def write(self, path: Path) -> None:
        """Keep it in a file that only its owner reads."""
        write_private(path, json.dumps({"port": self.port, "password": self.password}))


def new_access() -> Access:
    """A new password and a port that is free now."""
    return Access(free_port(), secrets.token_urlsafe(24))


def kept_access(path: Path) -> Access | None:
    """What an earlier start kept; None before the first one."""
    return Access(**json.loads(path.read_bytes())) if path.exists() else None


def is_free(port: int) -> bool:
    """Whether a server could listen on the port now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
        return True


def free_port() -> int:
    """A port that is free now; whoever takes it must be ready to find it taken a moment later."""
    return next(port for port in iter(lambda: FIRST_PORT + secrets.randbelow(PORTS), None) if is_free(port))
