"""Fixtures of the end-to-end tests: one node for all of them, and the real clients of other languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.forkserver import forking
from tests.e2e.mesh_nodes import Nodes
from tests.e2e.nodes import RunningNode, running_node
from tests.integration.receiver import Receiver, over_grpc


@pytest.fixture(scope="package", autouse=True)
def forked() -> Iterator[None]:
    """Nodes are forked by a process that has their modules."""
    with forking():
        yield


@pytest.fixture(scope="package")
def node(open_folder: Path) -> Iterator[RunningNode]:
    """A node that all tests here share, and no other that come after them; it also hosts the Python example."""
    examples = {"PYTHONPATH": str(tools.ROOT / "examples" / "python")}
    with running_node(open_folder / "node", "--agent", "hosted:agent", environ=examples) as node:
        yield node


@pytest.fixture
def nodes(data_dir: Path, postgres_url: str, redis_url: str) -> Iterator[Nodes]:
    """No nodes yet."""
    opened = Nodes(data_dir, (postgres_url, redis_url))
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    """A receiver of spans."""
    with over_grpc() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def grpcurl() -> Path:
    """The real grpcurl."""
    return tools.go_tool(*tools.GRPCURL)


@pytest.fixture(scope="session")
def health_probe() -> Path:
    """The real grpc-health-probe."""
    return tools.go_tool(*tools.HEALTH_PROBE)


@pytest.fixture(scope="session")
def go_examples() -> Path:
    """The folder of the Go examples, built."""
    return tools.go_examples()


@pytest.fixture(scope="session")
def typescript_examples() -> Path:
    """The folder of the TypeScript examples, built."""
    return tools.typescript_examples()


@pytest.fixture(scope="session")
def mcp_servers() -> Path:
    """The folder of MCP servers that others wrote."""
    return tools.mcp_servers()
