"""Health alone on a port of its own, without TLS and keys: for probes that bring neither, such as Kubernetes' own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from a2a_node.model.errors import SettingInvalid
from a2a_node.services.standard import Health

AT_ONCE = 64  # probes and watchers; more are refused as RESOURCE_EXHAUSTED
REQUEST_BYTES = 4096  # a request names a service, nothing else
OPTIONS = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", REQUEST_BYTES)]


@asynccontextmanager
async def answering(address: str, health: Health) -> AsyncIterator[None]:
    """Answer `grpc.health.v1.Health` and nothing else until the block ends; SettingInvalid when the port is taken."""
    server = grpc.aio.server(options=OPTIONS, maximum_concurrent_rpcs=AT_ONCE)
    health.register(server)
    try:
        server.add_insecure_port(address)
    except RuntimeError:
        raise SettingInvalid("health_port", f"{address} cannot be listened on; is another node running?") from None
    await server.start()
    try:
        yield
    finally:
        await server.stop(None)
