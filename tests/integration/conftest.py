"""A whole node in the test's own process, on real stores, and a client that knows its key."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from a2a_node.client import MeshClient
from a2a_node.node import Node, running
from a2a_node.settings import Settings
from tests.ample import AMPLE_SETTINGS

Running = Callable[..., AbstractAsyncContextManager[tuple[Node, MeshClient]]]


@pytest.fixture
def running_node(data_dir: Path, postgres_url: str, redis_url: str) -> Running:
    """Run a node on the test's own stores; keyword arguments are settings."""
    data_dir.mkdir()

    @asynccontextmanager
    async def run(**settings: object) -> AsyncIterator[tuple[Node, MeshClient]]:
        ports = {"grpc_port": 0, "peer_port": 0, "http_port": 0}
        chosen = {"data_dir": data_dir, **ports, "drain": 2.0, **AMPLE_SETTINGS, **settings}
        async with running(Settings.model_validate(chosen), postgres_url, redis_url) as node:
            key = node.key_file.read_text().strip()
            async with MeshClient(node.grpc_address, key) as mesh:
                yield node, mesh

    return run
