"""Every block of code in the README, done in its order, does what the README says."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.pages.blocks import blocks, page
from tests.e2e.pages.reader import Reader, reading
from tests.e2e.tools import ROOT
from tests.ports import free_port

README = page("README.md")


@pytest.fixture
def reader(data_dir: Path, tmp_path: Path, grpcurl: Path, postgres_url: str, redis_url: str) -> Iterator[Reader]:
    """A reader with the tools that the README names."""
    (tmp_path / "grpcurl").symlink_to(grpcurl)
    grpc, http = (f"127.0.0.1:{free_port()}" for _ in range(2))
    words = {
        "127.0.0.1:50051": grpc,
        "127.0.0.1:8080": http,
        "~/.local/state/a2a-node": str(data_dir),
        "make ": f"make -C {shlex.quote(str(ROOT))} ",
        "postgresql://user:password@127.0.0.1:5432/mesh": postgres_url,
        "redis://:password@127.0.0.1:6379/0": redis_url,
    }
    environ = {
        "A2A_DATA_DIR": str(data_dir),
        "A2A_ADDRESS": grpc,
        "A2A_GRPC_PORT": grpc.rpartition(":")[2],
        "A2A_HTTP_PORT": http.rpartition(":")[2],
        "A2A_PEER_PORT": "0",
        "TESTS": "tests/unit/model",  # the README's `make test` runs these very tests, too
    }
    with reading(tmp_path, words, environ) as reader:
        yield reader


def test_the_readme_does_what_it_says(reader: Reader) -> None:
    """From the first command to the last."""
    for block in blocks("README.md"):
        reader.follow(block)


def test_every_program_of_the_readme_is_run() -> None:
    """A file that no command names would only be written."""
    commands = "\n".join(block.text for block in blocks("README.md") if block.language == "sh")
    for file in re.findall(r"^# (\w+)\.py$", README, re.MULTILINE):
        assert f"python {file}.py" in commands or f"--agent {file}:agent" in commands


def test_the_readme_can_be_read_in_one_go() -> None:
    """Below 200 lines."""
    assert len(README.splitlines()) < 200
