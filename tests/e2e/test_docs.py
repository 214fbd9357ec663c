"""The commands and the template of docs/workflows.md and docs/ops.md, done on one node in their order."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from pathlib import Path

import asyncpg
import pytest

from a2a_node.model.errors import RunStateConflict, StepNotWaiting
from a2a_node.model.runs import Run, RunStatus
from tests.e2e.nodes import A2A_NODE, RunningNode, mesh_node
from tests.e2e.pages.blocks import BLOCK
from tests.e2e.processes import Program
from tests.e2e.runs import Desk, at_desk, statuses
from tests.e2e.tools import ROOT
from tests.unit.ops.scanner.planted import project
from tests.unit.ops.site.sources import written

PATIENCE = 120.0
OPS = "monitor,notifier,scanner,mesh_review,reporter,site,releases,prober,load,profiler,tuner"
WHEEL = """\
name: wheel
inputs: {path: {type: string}}
steps:
  build: {agent: wheels, input: {path: "${{ inputs.path }}"}}
output: {wheel: "${{ steps.build.output.wheel }}"}
"""
# How the run stands that RUN means: of each command the first that it makes sense for.
NEEDS = {"approve": "waiting", "pause": "waiting", "cancel": "waiting", "retry": "failed"}


def commands(page: str) -> Iterator[str]:
    """The lines of a page's blocks of shell."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for block in BLOCK.finditer(text):
        if block["language"] == "sh":
            yield from (line for line in block["text"].splitlines() if line.strip())


def template() -> str:
    """The first YAML of docs/workflows.md, which its commands call release.yaml."""
    text = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
    return next(block["text"] for block in BLOCK.finditer(text) if block["language"] == "yaml")


def statements() -> Sequence[str]:
    """The SQL of docs/workflows.md."""
    text = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
    (block,) = [block["text"] for block in BLOCK.finditer(text) if block["language"] == "sql"]
    return [line for line in block.splitlines() if line.strip()]


class Reader:
    """Somebody who does what the pages say, beside a node."""

    def __init__(self, node: RunningNode, desk: Desk, folder: Path) -> None:
        self._desk, self._folder = desk, folder
        self._environ = {**os.environ, **node.environ, "PATH": f"{A2A_NODE.parent}{os.pathsep}{os.environ['PATH']}"}
        self.done: list[str] = []

    async def follow(self, line: str) -> None:
        """Do a line; what it starts is approved of, and must end well."""
        words = shlex.split(line, comments=True)
        if words[:2] == ["a2a-node", "up"]:
            asked = {name for option, name in pairwise(words) if option == "--ops"}
            assert asked <= {*OPS.split(","), "all", "git", "python"}, line
            return
        if "RUN" in words:
            run = await self.run(NEEDS.get(words[2], "completed"))
            line = re.sub(r"\bRUN\b", run.id, line)
        follows = words[1:3] == ["workflow", "run"] and "--detach" not in words
        doing = asyncio.create_task(asyncio.to_thread(self._ran, line))
        if follows:
            await self._approved(doing)
        code, said = await doing
        assert code == 0, f"{line}\nended with {code}:\n{said}"
        self.done.append(line)
        await self._tidied()

    async def run(self, stands: str) -> Run:
        """A run that stands so."""
        inputs = {"repository": "/nowhere" if stands == "failed" else "/srv/code"}
        run = await self._desk.mesh.workflows.start("release", inputs)
        if stands == "failed":
            return await self._desk.until(run.id, lambda now: now.status is RunStatus.FAILED, PATIENCE)
        await self._desk.until(run.id, lambda now: statuses(now)["gate"] == "waiting", PATIENCE)
        if stands == "waiting":
            return run
        await self._desk.mesh.workflows.approve(run.id, "gate")
        return await self._desk.until(run.id, lambda now: now.status is RunStatus.COMPLETED, PATIENCE)

    async def _tidied(self) -> None:
        """Leave no run waiting: the template lets two of them go at a time."""
        async for run in self._desk.mesh.workflows.runs():
            if not run.status.terminal:
                with suppress(RunStateConflict):
                    await self._desk.mesh.workflows.cancel(run.id)
                await self._desk.ended(run.id, PATIENCE)

    async def _approved(self, doing: asyncio.Task[tuple[int, str]]) -> None:
        """Say yes to whatever waits, until the command has ended."""
        async with asyncio.timeout(PATIENCE):
            while not doing.done():
                async for run in self._desk.mesh.workflows.runs():
                    if run.status is RunStatus.WAITING:
                        with suppress(StepNotWaiting):
                            await self._desk.mesh.workflows.approve(run.id, "gate")
                await asyncio.wait([doing], timeout=0.2)

    def _ran(self, line: str) -> tuple[int, str]:
        ran = subprocess.run(
            ("bash", "-euo", "pipefail", "-c", line),
            cwd=self._folder,
            env=self._environ,
            timeout=PATIENCE,
            capture_output=True,
            text=True,
            check=False,
        )
        return ran.returncode, ran.stdout + ran.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where somebody works."""
    (tmp_path / "release.yaml").write_text(template(), encoding="utf-8")
    return tmp_path


@asynccontextmanager
async def reading(folder: Path, open_folder: Path, postgres_url: str, redis_url: str) -> AsyncIterator[Reader]:
    """A node with the agents that the pages are about."""
    workspace = open_folder / "docs-workspace"
    project(workspace / "shop")
    written(workspace / "docs")
    environ = {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url, "A2A_OPS": OPS}
    environ |= {"A2A_OPS_WORKSPACE": str(workspace)}
    command = (sys.executable, "-m", "tests.e2e.docs_agents")
    with mesh_node(open_folder / "docs-node", environ) as node, Program(command, node.environ) as agents:
        agents.line("ready")
        async with at_desk(node) as desk:
            await desk.mesh.workflows.put(WHEEL)
            yield Reader(node, desk, folder)


async def test_the_pages_of_workflows_and_ops_agents_do_what_they_say(
    folder: Path, open_folder: Path, postgres_url: str, redis_url: str
) -> None:
    """Each command ends well; the record is what the queries ask."""
    async with reading(folder, open_folder, postgres_url, redis_url) as reader:
        for page in ("workflows.md", "ops.md"):
            for line in commands(page):
                await reader.follow(line)
        assert len(reader.done) > 20
        assert (folder / "run.svg").read_text().startswith("<svg")
        connection = await asyncpg.connect(postgres_url, ssl=False)
        for statement in statements():
            await connection.fetch(statement)
        await connection.close()
