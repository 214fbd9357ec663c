"""docs/PRODUCTION_ENHANCEMENTS.md: what it names is there, and a node moves to shared stores with what it has."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.pages.blocks import blocks, page
from tests.e2e.pages.reader import Reader, reading
from tests.e2e.tools import ROOT
from tests.ports import free_port

pytestmark = pytest.mark.without_schema

PAGE = "docs/PRODUCTION_ENHANCEMENTS.md"


@pytest.fixture
def reader(data_dir: Path, tmp_path: Path, postgres_url: str, redis_url: str) -> Iterator[Reader]:
    """Somebody with a node on stores of its own, and with empty ones that are to be shared."""
    there, grpc = urlsplit(postgres_url), f"127.0.0.1:{free_port()}"
    database = there.path.removeprefix("/")
    words = {
        "postgresql://user:password@127.0.0.1:5432/mesh": postgres_url,
        "redis://:password@127.0.0.1:6379/0": redis_url,
        "PGPORT=5432 PGUSER=user PGPASSWORD=password": (
            f"PGPORT={there.port} PGUSER={there.username} PGPASSWORD={there.password}"
        ),
        "--dbname=mesh": f"--dbname={database}",
        "~/.local/state/a2a-node": str(data_dir),
    }
    environ = {"A2A_DATA_DIR": str(data_dir), "A2A_ADDRESS": grpc, "A2A_GRPC_PORT": grpc.rpartition(":")[2]}
    with reading(tmp_path, words, environ | {"A2A_HTTP_PORT": "0", "A2A_PEER_PORT": "0"}) as reader:
        yield reader


def test_a_node_moves_to_shared_stores_with_what_it_has(reader: Reader) -> None:
    """By the page's own commands: grants, values and outcomes are there afterwards."""
    for block in blocks(PAGE):
        reader.follow(block)
    assert len(reader.done) == len(list(blocks(PAGE))) > 8


def test_what_the_page_names_is_there() -> None:
    """Every path of the project in its table."""
    named = re.findall(r"`((?:a2a_node|tests|deploy|monitoring)/[^`]*)`", page(PAGE))
    assert len(named) > 15
    assert [path for path in named if not (ROOT / path).exists()] == []
