"""Nodes that know a few people and agents by their keys, beside the developer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from a2a_node.access.credentials import KnownKeys
from a2a_node.client import MeshClient
from a2a_node.model.principal import Principal
from a2a_node.node import Node, running
from a2a_node.settings import Settings
from tests.ample import AMPLE_SETTINGS

PEOPLE = ("ann", "bob", "cleo")
WORKERS = ("crowd", "greeter")
KEYS = {f"key-of-{name}": Principal("person", name) for name in PEOPLE} | {
    f"key-of-{name}": Principal("agent", name) for name in WORKERS
}


class Meeting:
    """A node, and a client for everybody."""

    def __init__(self, node: Node, clients: Mapping[str, MeshClient]) -> None:
        self.node = node
        self.dev_key = node.key_file.read_text().strip()
        self.dev, self.ann, self.bob, self.cleo = (clients[name] for name in ("dev", *PEOPLE))


Meet = Callable[..., AbstractAsyncContextManager[Meeting]]


@pytest.fixture
def meet(tmp_path: Path, postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> Meet:
    """Run a node of that name for all of them, on the test's own stores; more settings are given by name."""
    monkeypatch.setattr("a2a_node.node.identities.KnownKeys", lambda keys: KnownKeys({**keys, **KEYS}))

    @asynccontextmanager
    async def met(name: str = "one", **settings: object) -> AsyncIterator[Meeting]:
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        chosen = {
            "data_dir": place,
            "grpc_port": 0,
            "peer_port": 0,
            "http_port": 0,
            "drain": 1.0,
            "node_id": name,
            "workflows": False,  # tests execute runs themselves
            **AMPLE_SETTINGS,
            **settings,
        }
        async with running(Settings.model_validate(chosen), postgres_url, redis_url) as node:
            clients = {"dev": MeshClient(node.grpc_address, node.key_file.read_text().strip())}
            clients |= {person: MeshClient(node.grpc_address, f"key-of-{person}") for person in PEOPLE}
            try:
                yield Meeting(node, clients)
            finally:
                for client in clients.values():
                    await client.close()

    return met
