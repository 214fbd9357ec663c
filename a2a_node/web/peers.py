"""Where an HTTP request comes from, in the words of the layers."""

from __future__ import annotations

from starlette.types import Scope


def peer_of(scope: Scope) -> str:
    """The address of the connection as gRPC writes it, which the layers read."""
    client = scope.get("client")
    if client is None:
        return ""
    host, port = client
    return f"ipv6:%5B{host}%5D:{port}" if ":" in host else f"ipv4:{host}:{port}"
