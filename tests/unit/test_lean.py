"""What a node does not use is not imported with it, and whoever wants it finds it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2] / "a2a_node"
UNUSED = (
    "a2a_node.cli.agents",
    "a2a_node.client.mesh",
    "click",
    "http.server",
    "jsonschema_rs.jsonschema_rs",
    "multiprocessing",
    "opentelemetry.sdk",
    "psutil",
    "pygments",
    "redis.asyncio.cluster",
    "redis.cluster",
    "redis.sentinel",
    "rich",
    "sqlalchemy.orm",
    "starlette.applications",
    "urllib.request",
    "uvicorn.main",
    "wsgiref",
    "yaml.scanner",
)
ALONE = f"""
import sys
from a2a_node.cli.commands import program
program("up")
from a2a_node import lean
import a2a_node.cli.logs, a2a_node.node, a2a_node.store.embedded
import uvicorn.lifespan.off, uvicorn.protocols.http.auto
from redis.asyncio.connection import BlockingConnectionPool
BlockingConnectionPool.from_url("redis://127.0.0.1:1").get_connection_count()
there = [name for name in {UNUSED} if name in sys.modules]
assert not there, f"a node imports {{there}}, which it does not use"
"""
ASKING = """
import sys
from a2a_node.cli.commands import program
program("agents")
there = [name for name in ("a2a_node.cli.calls", "a2a_node.cli.start", "pydantic", "rich") if name in sys.modules]
assert not there, f"a client's command imports {there}, which it does not use"
"""
ANNOUNCED = """
import sys
from pathlib import Path
from a2a_node.cli.announce import Arrival, announce
announce(Arrival("node-1", "127.0.0.1:1", "127.0.0.1:2", Path("/dev.key")))
assert "rich" not in sys.modules
"""
WHOLE = """
from importlib.metadata import version
import a2a_node.node
import sqlalchemy.ext.asyncio
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.asyncio.engine import AsyncEngine
assert sqlalchemy.ext.asyncio.AsyncEngine is AsyncEngine
assert AsyncSession.__module__ == "sqlalchemy.ext.asyncio.session"

import redis, redis.asyncio
from redis.asyncio.client import Redis
from redis.asyncio import RedisCluster
assert redis.asyncio.Redis is Redis
assert redis.Redis.__module__ == "redis.client"
assert redis.RedisCluster.__module__ == "redis.cluster"
assert redis.__version__ == version("redis")

import uvicorn, prometheus_client, jwt
from uvicorn.server import Server
from prometheus_client.metrics import Counter
assert uvicorn.Server is Server
assert callable(uvicorn.run)
assert prometheus_client.Counter is Counter
assert callable(prometheus_client.start_http_server)
assert jwt.PyJWKClient.__module__ == "jwt.jwks_client"
assert jwt.decode.__module__ == "jwt.api_jwt"

from a2a_node.client import Connection, MeshClient
assert MeshClient.__module__ == "a2a_node.client.mesh"
assert Connection.__module__ == "a2a_node.client.connection"

import rich.console, opentelemetry.sdk.metrics
"""
AT_ONCE = """
import sys, threading
import a2a_node.lean
import yaml

sys.setswitchinterval(1e-6)
found, begin = [], threading.Barrier(8)

def ask():
    begin.wait()
    found.append((yaml.SafeLoader, yaml.nodes.Node, yaml.YAMLError))

threads = [threading.Thread(target=ask) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(found) == 8, found
"""
BEFORE = """
import redis.asyncio as package
import rich
from a2a_node import lean
from redis.asyncio.client import Redis
assert package.Redis is Redis
assert "__getattr__" not in vars(package)
import structlog.dev
assert structlog.dev.rich is rich
"""


def runs(program: str) -> None:
    """Run a program in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", program], check=False, timeout=60, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("program", [ALONE, ANNOUNCED, ASKING], ids=["imported", "announced", "asking"])
def test_a_process_comes_without_what_it_does_not_use(program: str) -> None:
    """A new import, ours or a library's, that brings some of it back is found here.

    What libraries import only when they are used, as uvicorn does, is used here.
    """
    runs(program)


@pytest.mark.parametrize("program", [WHOLE, BEFORE, AT_ONCE], ids=["after", "before", "at once"])
def test_whoever_wants_the_rest_of_a_library_finds_it(program: str) -> None:
    """With the same classes, whether it is asked for after the node was imported or was there before, and whole."""
    runs(program)


def test_only_a_node_makes_libraries_wait() -> None:
    """Programs that use the client, and agents in processes of their own, have them as they are."""
    files = (file for file in HOUSE.rglob("*.py") if "import lean" in file.read_text())
    importers = {file.relative_to(HOUSE).as_posix() for file in files}
    assert importers == {"cli/start.py", "node/__init__.py"}
