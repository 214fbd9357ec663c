"""`doctor --production` beside whole nodes: of one that is tried out, and of two that are fit for people."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from a2a_node.access.authority import fresh_authority
from a2a_node.cli.checks.production import ITEMS
from a2a_node.client import MeshClient, Tls
from a2a_node.node import Node, running
from a2a_node.settings import Settings
from tests.integration.conftest import Running
from tests.integration.receiver import over_grpc

pytestmark = pytest.mark.without_schema

A2A_NODE = Path(sys.executable).with_name("a2a-node")
PATIENCE = 60.0  # seconds
OF_THIS_MACHINE = {"disk", "memory-left", "disk-left", "open-files"}  # which no test provides
FREE = {"grpc_port": 0, "peer_port": 0, "http_port": 0}
NAMES = (x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1")))


@dataclass(frozen=True, slots=True)
class Said:
    """What the doctor said: its exit code, and of each finding the state and the message."""

    code: int
    states: Mapping[str, str]
    messages: Mapping[str, str]

    def named(self, state: str) -> set[str]:
        """The findings that stand so."""
        return {name for name, it in self.states.items() if it == state}


async def doctor(node: Node, told: Mapping[str, object], client: Mapping[str, str]) -> Said:
    """What the doctor says beside a node that was told this, to somebody with this in the environment."""
    ports = {"grpc_port": node.grpc_address.rpartition(":")[2], "http_port": node.http_address.rpartition(":")[2]}
    own = {f"A2A_{name}".upper(): str(value) for name, value in {**told, **ports}.items()}
    environ = {name: value for name, value in os.environ.items() if not name.startswith("A2A_")}
    ran = await asyncio.to_thread(_ran, {**environ, **own, "A2A_KEY": node.key_file.read_text().strip(), **client})
    findings = json.loads(ran.stdout)
    assert not any(each["advice"] for each in findings if each["state"] == "ok")
    states, messages = ({each["name"]: each[part] for each in findings} for part in ("state", "message"))
    return Said(ran.returncode, states, messages)


def _ran(environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(A2A_NODE), "doctor", "--production", "--json"]
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture(autouse=True, scope="module")
def flushed(administer: Callable[[str], None]) -> Iterator[None]:
    """Postgres waits for its disk, as one that is fit for people does; that of other tests need not."""
    for state in ("on", "off"):
        for setting in ("fsync", "full_page_writes"):
            administer(f"ALTER SYSTEM SET {setting} = {state}")
        administer("SELECT pg_reload_conf()")
        if state == "on":
            yield


@pytest.fixture
def owner(administer: Callable[[str], None]) -> Iterator[tuple[str, str]]:
    """A role without rights, and its password; it is there before the test's database, and gone after it."""
    name, password = f"mesh_{secrets.token_hex(8)}", secrets.token_hex(8)
    administer(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    yield name, password
    administer(f"DROP ROLE {name}")


@pytest.fixture
def owned_url(owner: tuple[str, str], postgres_url: str, administer: Callable[[str], None]) -> str:
    """The test's own database, which belongs to that role."""
    parts = urlsplit(postgres_url)
    administer(f"ALTER DATABASE {parts.path[1:]} OWNER TO {owner[0]}")
    return parts._replace(netloc=f"{':'.join(owner)}@{parts.netloc.rpartition('@')[2]}").geturl()


@pytest.fixture
def certified(tmp_path: Path) -> Mapping[str, object]:
    """The settings of a node with a certificate for ninety days, whose authority is in `ca`."""
    authority, _ = fresh_authority("tests")
    pair = authority.signed(NAMES, timedelta(days=90))
    for name, content in (("crt", pair.certificate), ("key", pair.key), ("ca", authority.root)):
        file = tmp_path / f"node.{name}"
        file.touch(0o600)
        file.write_bytes(content)
    return {"tls_cert": tmp_path / "node.crt", "tls_key": tmp_path / "node.key", "http_tls": "on"}


@pytest.fixture
def two_dirs(data_dir: Path) -> Iterator[tuple[Path, Path]]:
    """The data directories of two nodes."""
    other = data_dir.with_name(f"{data_dir.name}-other")
    data_dir.mkdir()
    other.mkdir()
    yield data_dir, other
    shutil.rmtree(other)


async def test_a_node_that_is_tried_out_is_not_fit_for_people(
    running_node: Running, data_dir: Path, postgres_url: str, redis_url: str
) -> None:
    """Everything is looked at, and what is missing has its name."""
    async with running_node() as (node, _):
        told = {"data_dir": data_dir, "postgres_url": postgres_url, "redis_url": redis_url}
        said = await doctor(node, told, {})
    assert said.code == 1
    assert set(ITEMS) <= said.states.keys()
    missing = {"mesh-passphrase", "administrators", "echo-off", "json-logs", "traces", "place-named"}
    assert said.named("fail") - OF_THIS_MACHINE == {*missing, "two-nodes", "two-zones", "postgres-role"}
    assert {"tls-clients", "tls-http", "limits-set"} <= said.named("warn")
    assert not any("not looked at" in message for message in said.messages.values())
    assert not any(str(urlsplit(url).password) in str(said.messages) for url in (postgres_url, redis_url))


async def test_two_nodes_that_were_told_everything_are_fit_for_people(
    certified: Mapping[str, object], owned_url: str, redis_url: str, two_dirs: tuple[Path, Path]
) -> None:
    """By TLS, on a database of their own, in two zones; nothing is left that has to be mended."""
    told = {
        **certified,
        "mesh_passphrase": secrets.token_hex(16),
        "administrators": "person:ada",
        "echo": False,
        "json_logs": True,
        "region": "eu",
        "zone": "a",
    }
    async with AsyncExitStack() as house:
        told["trace_endpoint"] = house.enter_context(over_grpc()).address
        stores = {"postgres_url": owned_url, "redis_url": redis_url}
        first = Settings.model_validate({**told, **FREE, "data_dir": two_dirs[0]})
        second = Settings.model_validate({**told, **FREE, "data_dir": two_dirs[1], "zone": "b"})
        node = await house.enter_async_context(running(first, owned_url, redis_url))
        await house.enter_async_context(running(second, owned_url, redis_url))
        address = f"https://localhost:{node.grpc_address.rpartition(':')[2]}"
        ca = Path(str(certified["tls_cert"])).with_suffix(".ca")
        async with MeshClient(address, node.key_file.read_text().strip(), tls=Tls(ca)) as mesh:
            await mesh.limits.set(100.0, 100)
        client = {"A2A_ADDRESS": address, "A2A_TLS_CA": str(ca)}
        said = await doctor(node, told | stores | {"data_dir": two_dirs[0]}, client)
    assert said.named("fail") <= OF_THIS_MACHINE, said.messages
    assert {"tls-clients", "tls-http", "certificate-expiry", "postgres-role", "two-zones", "gRPC"} <= said.named("ok")
    assert not any("not looked at" in message for message in said.messages.values())


async def test_what_does_not_answer_or_cannot_be_read_is_named_and_ends_nothing(
    running_node: Running, data_dir: Path
) -> None:
    """Certificates that are not there, and stores that are not: the rest is looked at all the same."""
    away = {"postgres_url": "postgresql://ann:hush@127.0.0.1:1/mesh", "redis_url": "redis://:hush@127.0.0.1:1"}
    missing = {"tls_cert": data_dir / "none.crt", "tls_key": data_dir / "none.key", "http_tls": "on"}
    async with running_node() as (node, _):
        said = await doctor(node, {"data_dir": data_dir, **away, **missing}, {})
    failed = {"gRPC", "HTTP", "database", "certificate-files", "node-ready", "mesh-answers"}
    assert said.code == 1
    assert {*failed, "postgres-answers", "redis-answers"} <= said.named("fail")
    assert set(ITEMS) <= said.states.keys()
    assert "hush" not in str(said.messages)
