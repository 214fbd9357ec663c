"""Somebody who does what a page says, on ports and stores of their own."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.e2e.pages.blocks import FILES, Block
from tests.e2e.processes import Program
from tests.e2e.tools import ROOT

OF_MAKE = ("MAKEFLAGS", "MAKEOVERRIDES", "MFLAGS")  # what an outer make was told is not for an inner one
READY = {"prometheus": "Server is ready to receive web requests"}
SHOWN = ("text", "console", "")  # what a page shows, and nobody would run


@dataclass
class Reader:
    """Somebody who does what a page says, in a folder of their own."""

    folder: Path
    words: Mapping[str, str]  # the page's places, and ours
    environ: dict[str, str]
    done: list[Block] = field(default_factory=list)
    running: ExitStack = field(default_factory=ExitStack)
    beside: dict[str, Program] = field(default_factory=dict)  # what runs beside the node, by its command

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        ended = {command: program.output for command, program in self.beside.items() if not _runs(program)}
        self.running.close()
        assert kind is not None or not ended, f"these were to keep running: {ended}"

    def follow(self, block: Block) -> None:
        """Do what the block says."""
        text = self._translated(block.text)
        if block.name is not None:
            self._write(block.name, text)
        elif block.language == "python":
            self._run((sys.executable, "-c", _awaiting(text)), text, block.expected)
        elif block.language == "sh" and block.keeps_running:
            self._start(text, is_node=block.runs_a_node)
        elif block.language == "sh":
            self._run(("bash", "-euo", "pipefail", "-c", text), text, block.expected)
        elif block.language == "json":
            json.loads(text)
        else:
            assert block.language in SHOWN, f"nobody knows how to run {block.language!r}"
            return
        self.done.append(block)

    def _translated(self, text: str) -> str:
        for theirs, ours in self.words.items():
            text = text.replace(theirs, ours)
        return text

    def _write(self, name: str, text: str) -> None:
        assert Path(name).suffix in FILES.values() or name == ".env", f"a file of this kind is not known: {name!r}"
        (self.folder / name).write_text(text, encoding="utf-8")

    def _run(self, command: Sequence[str], text: str, expected: Sequence[str]) -> None:
        ran = subprocess.run(
            command, cwd=self.folder, env=self.environ, timeout=120, capture_output=True, text=True, check=False
        )
        said = ran.stdout + ran.stderr
        assert ran.returncode == 0, f"{text}\nended with {ran.returncode}:\n{said}"
        for words in expected:
            assert words in said, f"{text}\nsaid nothing of {words!r}:\n{said}"

    def _start(self, text: str, *, is_node: bool) -> None:
        *before, last = text.strip().splitlines()
        script = "\n".join([f"cd {shlex.quote(str(self.folder))}", *before, f"exec {last}"])
        if is_node:
            self.running.close()
            self.beside.clear()
        program = self.running.enter_context(Program(("bash", "-euc", script), self.environ))
        if is_node:
            program.line(r"^ready grpc=", timeout=300)  # set-up included
            return
        self.beside[last] = program
        if (ready := _ready(last)) is not None:
            program.line(ready)
        elif last.startswith("python "):
            self._wait_until_attached(last)

    def _wait_until_attached(self, command: str) -> None:
        name = Path(shlex.split(command).pop()).stem  # the pages' agents are named as their files are
        with Program(("a2a-node", "agents", "watch", "--json"), self.environ) as watch:
            watch.line(rf'"name":"{name}".*"kind":"attached"')


def _runs(program: Program) -> bool:
    """Whether it has not ended."""
    try:
        program.wait(0)
    except subprocess.TimeoutExpired:
        return True
    return False


def _ready(command: str) -> str | None:
    """What a program says once it serves."""
    return READY.get(Path(shlex.split(command)[0]).name)


def _awaiting(text: str) -> str:
    """A program that does the block, which may await where it stands, as in Python's own asyncio shell."""
    flags = f"{ast.PyCF_ALLOW_TOP_LEVEL_AWAIT:#x}"
    return (
        "import asyncio, inspect, types\n"
        f"code = compile({text!r}, 'block', 'exec', flags={flags})\n"
        "done = types.FunctionType(code, globals())()\n"
        "inspect.iscoroutine(done) and asyncio.run(done)\n"
    )


@contextmanager
def reading(folder: Path, words: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[Reader]:
    """A reader whose terminals have this environment beside that of the tests."""
    ours = {name: value for name, value in os.environ.items() if name not in OF_MAKE} | dict(environ)
    ours["PATH"] = os.pathsep.join((str(folder), str(Path(sys.executable).parent), os.environ["PATH"]))
    with Reader(folder, {"$PWD": str(ROOT), **words}, ours) as reader:
        yield reader
