"""Every block of code in the README, done in its order, does what the README says."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import pytest

from a2a_node.store.embedded.access import free_port
from tests.e2e.processes import Program
from tests.e2e.tools import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"(?:<!-- (?P<wish>.+?) -->\n)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
PRINTS = re.compile(r"# prints (?P<said>.+)$", re.MULTILINE)
KEEPS_RUNNING = "keeps running"
NODE = re.compile(r"\bmake up\b|\ba2a-node (up|serve)\b")
OF_MAKE = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")  # what an outer make was told is not for an inner one


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code."""

    language: str
    text: str
    keeps_running: bool

    @property
    def runs_a_node(self) -> bool:
        """Whether what it starts is a node, which takes the place of the one before."""
        return NODE.search(self.text) is not None

    @property
    def expected(self) -> Sequence[str]:
        """What it is said to print."""
        return PRINTS.findall(self.text)


def blocks() -> Iterator[Block]:
    """The blocks of the README in their order."""
    for found in BLOCK.finditer(README):
        yield Block(found["language"], found["text"], found["wish"] == KEEPS_RUNNING)


@dataclass
class Reader:
    """Somebody who does what the README says, in a folder of their own, on ports and stores of their own."""

    folder: Path
    words: dict[str, str]  # the README's places, and ours
    environ: dict[str, str]
    running: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.running.close()

    def follow(self, block: Block) -> None:
        """Do what the block says."""
        text = self._translated(block.text)
        if block.language == "python":
            self._write(text)
        elif block.language == "sh" and block.keeps_running:
            self._start(text, is_node=block.runs_a_node)
        elif block.language == "sh":
            self._run(text, block.expected)
        else:
            assert block.language == "text", f"nobody knows how to run {block.language!r}"

    def _translated(self, text: str) -> str:
        for theirs, ours in self.words.items():
            text = text.replace(theirs, ours)
        return text

    def _write(self, text: str) -> None:
        name = text.splitlines()[0].removeprefix("# ")
        assert name.endswith(".py"), f"a block of Python begins with its file's name, not with {name!r}"
        (self.folder / name).write_text(text, encoding="utf-8")

    def _run(self, text: str, expected: Sequence[str]) -> None:
        command = ("bash", "-euo", "pipefail", "-c", text)
        ran = subprocess.run(
            command, cwd=self.folder, env=self.environ, timeout=120, capture_output=True, text=True, check=False
        )
        said = ran.stdout + ran.stderr
        assert ran.returncode == 0, f"{text}\nended with {ran.returncode}:\n{said}"
        for words in expected:
            assert words in said

    def _start(self, text: str, *, is_node: bool) -> None:
        *before, last = text.strip().splitlines()
        script = "\n".join([f"cd {shlex.quote(str(self.folder))}", *before, f"exec {last}"])
        if is_node:
            self.running.close()
        program = self.running.enter_context(Program(("bash", "-euc", script), self.environ))
        if is_node:
            program.line(r"^ready grpc=", timeout=300)  # set-up included
        else:
            self._wait_until_attached(last)

    def _wait_until_attached(self, command: str) -> None:
        name = Path(shlex.split(command).pop()).stem  # the README's agents are named as their files are
        with Program(("a2a-node", "agents", "watch", "--json"), self.environ) as watch:
            watch.line(rf'"name":"{name}".*"kind":"attached"')


@pytest.fixture
def reader(data_dir: Path, tmp_path: Path, grpcurl: Path, postgres_url: str, redis_url: str) -> Iterator[Reader]:
    """A reader with the tools that the README names."""
    (tmp_path / "grpcurl").symlink_to(grpcurl)
    grpc, http = (f"127.0.0.1:{free_port()}" for _ in range(2))
    words = {
        "127.0.0.1:50051": grpc,
        "127.0.0.1:8080": http,
        "~/.local/state/a2a-node": str(data_dir),
        "$PWD": str(ROOT),
        "make ": f"make -C {shlex.quote(str(ROOT))} ",
        "postgresql://user:password@127.0.0.1:5432/mesh": postgres_url,
        "redis://:password@127.0.0.1:6379/0": redis_url,
    }
    environ = {name: value for name, value in os.environ.items() if name not in OF_MAKE} | {
        "PATH": os.pathsep.join((str(tmp_path), str(Path(sys.executable).parent), os.environ["PATH"])),
        "A2A_DATA_DIR": str(data_dir),
        "A2A_ADDRESS": grpc,
        "A2A_GRPC_PORT": grpc.rpartition(":")[2],
        "A2A_HTTP_PORT": http.rpartition(":")[2],
        "A2A_PEER_PORT": "0",
        "TESTS": "tests/unit/model",  # the README's `make test` runs these very tests, too
    }
    with Reader(tmp_path, words, environ) as reader:
        yield reader


def test_the_readme_does_what_it_says(reader: Reader) -> None:
    """From the first command to the last."""
    for block in blocks():
        reader.follow(block)


def test_every_program_of_the_readme_is_run() -> None:
    """A file that no command names would only be written."""
    commands = "\n".join(block.text for block in blocks() if block.language == "sh")
    for file in re.findall(r"^# (\w+)\.py$", README, re.MULTILINE):
        assert f"python {file}.py" in commands or f"--agent {file}:agent" in commands


def test_the_readme_can_be_read_in_one_go() -> None:
    """Below 200 lines."""
    assert len(README.splitlines()) < 200
