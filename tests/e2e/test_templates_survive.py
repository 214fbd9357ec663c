"""Audits and deployments on two nodes, of which one is killed in the middle: the other one ends them as it must."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import pytest

from a2a_node.client import MeshClient
from a2a_node.model.errors import TemplateNotFound
from a2a_node.model.runs import Run, RunStatus
from tests.e2e.nodes import RunningNode, mesh_node
from tests.unit.ops.scanner.planted import project
from tests.unit.ops.site.sources import written
from tests.unit.ops.web import Files, fetched, serving

LEASE = 5.0  # seconds
PATIENCE = 120.0  # seconds; the call that was at work is believed to go on for thirty
LOOK = 0.05
BANDIT = Path(sys.executable).with_name("bandit")


class Gate:
    """Something that waits in the middle of a run until the test lets it go on."""

    def __init__(self) -> None:
        self.held, self.go = threading.Event(), threading.Event()


class Gated(Files):
    """Serves a folder, once the gate is open."""

    gate: Gate

    def do_GET(self) -> None:  # noqa: N802 - the library's name
        """Say that somebody waits, and wait."""
        self.gate.held.set()
        self.gate.go.wait(PATIENCE)
        super().do_GET()


@pytest.fixture
def home(open_folder: Path) -> Path:
    """Where both nodes live."""
    return Path(mkdtemp(dir=open_folder))


@pytest.fixture
def workspace(home: Path) -> Path:
    """The directory that both nodes work in."""
    folder = home / "workspace"
    folder.mkdir()
    return folder


@pytest.fixture
def environ(workspace: Path, postgres_url: str, redis_url: str) -> Mapping[str, str]:
    """What both nodes are told."""
    return {
        "A2A_POSTGRES_URL": postgres_url,
        "A2A_REDIS_URL": redis_url,
        "A2A_LEASE": str(LEASE),
        "A2A_OPS": "scanner,mesh_review,reporter,site,releases,prober",
        "A2A_OPS_WORKSPACE": str(workspace),
        "A2A_OPS_COMMANDS": f"bandit={workspace / '.a2a' / 'bandit'}",
    }


@pytest.fixture
def first(home: Path, environ: Mapping[str, str], workspace: Path) -> Iterator[RunningNode]:
    """The node that is going to be killed; bandit waits there for a file `go` in the workspace."""
    script = workspace / ".a2a" / "bandit"
    script.parent.mkdir(mode=0o700)
    wait = f'touch {workspace}/held; until [ -e {workspace}/go ]; do sleep 0.05; done; exec {BANDIT} "$@"'
    script.write_text(f"#!/bin/sh\n{wait}\n")
    script.chmod(0o700)
    with mesh_node(home / "first", environ) as node:
        yield node


async def begun(node: RunningNode, template: str, inputs: Mapping[str, object]) -> str:
    """Start a run of a built-in template on a node, as soon as it is in the library; its id."""
    async with MeshClient(node.address, node.key) as mesh, asyncio.timeout(PATIENCE):
        while True:
            try:
                return (await mesh.workflows.start(template, inputs)).id
            except TemplateNotFound:
                await asyncio.sleep(LOOK)


async def ended(node: RunningNode, run_id: str) -> Run:
    """The run, at its end."""
    async with MeshClient(node.address, node.key) as mesh, asyncio.timeout(PATIENCE):
        while True:
            if (run := await mesh.workflows.run(run_id)).status.terminal:
                return run
            await asyncio.sleep(LOOK)


async def until(holds: Callable[[], bool]) -> None:
    """Wait for what other processes do."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if holds():
                return
            await asyncio.sleep(LOOK)


async def test_an_audit_and_a_deployment_go_on_at_another_node(
    first: RunningNode, home: Path, environ: Mapping[str, str], workspace: Path
) -> None:
    """Their node is killed while bandit looks at the code, and while the prober looks at what is served."""
    project(workspace / "shop")
    written(workspace / "src")
    gate = Gate()
    handler = partial(type("OneGated", (Gated,), {"gate": gate}), directory=str(workspace / "sites/shop/current"))
    with serving(handler) as url:
        looks = {"requirements": ["shop/requirements.txt"], "advisories": "shop/advisories.json"}
        audit = await begun(first, "security-audit", {"path": "shop", **looks})
        said = {"source": "src", "site": "shop", "url": url, "seconds": 30}
        deployment = await begun(first, "content-deployment", said)
        await until(lambda: (workspace / "held").exists() and gate.held.is_set())
        with mesh_node(home / "second", environ) as second:
            first.program.end(signal.SIGKILL)
            (workspace / "go").touch()
            gate.go.set()
            runs = [await ended(second, run_id) for run_id in (audit, deployment)]
        check_audit(runs[0], workspace / "audit")
        check_deployment(runs[1], workspace / "sites" / "shop")
        assert "<title>The shop</title>" in await asyncio.to_thread(fetched, f"{url}/index.html")


def check_audit(run: Run, folder: Path) -> None:
    """Its report is whole, and there is one ticket for each thing."""
    assert run.status is RunStatus.COMPLETED, run.error
    report = json.loads((folder / "report.json").read_text())
    rules = {name: {found["rule"] for found in scan["findings"]} for name, scan in report["scans"].items()}
    assert report["missing"] == []
    assert rules["dependencies"] == {"PYSEC-2018-28"}
    assert "B602" in rules["code"]
    assert rules["secrets"] == {"secret-github-token", "secret-assigned-secret"}
    assert run.output is not None
    assert run.output["tickets"] == len(list((folder / "tickets").iterdir())) == 4


def check_deployment(run: Run, folder: Path) -> None:
    """The site was released once, and every file was looked at."""
    assert run.status is RunStatus.COMPLETED, run.error
    assert run.output is not None
    assert run.output["verified"] == len(json.loads((folder / "current" / "manifest.json").read_text()))
    assert json.loads((folder / "history.json").read_text()) == [run.output["release"]]
