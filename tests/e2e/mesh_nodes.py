"""Nodes of one mesh, started one after the other by a test: `a2a-node serve`, each in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.e2e.forkserver import node_process
from tests.e2e.nodes import A2A_NODE, RunningNode, ready
from tests.e2e.processes import Program

LEASE = 2.0  # seconds


@contextmanager
def served(data_dir: Path, stores: tuple[str, str], **settings: str) -> Iterator[RunningNode]:
    """A node of a mesh in a process of its own."""
    ports = ("--grpc-port", "0", "--peer-port", "0", "--http-port", "0")
    environ = {"A2A_POSTGRES_URL": stores[0], "A2A_REDIS_URL": stores[1], "A2A_LEASE": str(LEASE), **settings}
    with Program((A2A_NODE, "serve", *ports, "--data-dir", data_dir), environ, node_process) as program:
        yield ready(program, data_dir)


class Nodes:
    """Nodes of one mesh that all have the same development key, so that one client may ask any."""

    def __init__(self, folder: Path, stores: tuple[str, str]) -> None:
        self._folder, self._stores = folder, stores
        self._house = ExitStack()
        self._count = 0
        self.key = ""

    def start(self, **settings: str) -> RunningNode:
        """One more node, with these entries of its environment."""
        data_dir = self._folder / str(self._count)
        data_dir.mkdir(parents=True)
        self._count += 1
        if self.key:
            (data_dir / "dev.key").write_text(self.key)
            (data_dir / "dev.key").chmod(0o600)
        node = self._house.enter_context(served(data_dir, self._stores, **settings))
        self.key = node.key
        return node

    def close(self) -> None:
        """End them all."""
        self._house.close()
