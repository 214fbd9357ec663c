"""Real nodes: `a2a-node up` in a process of its own, on free ports."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import seeds
from tests.e2e.forkserver import node_process
from tests.e2e.processes import Program, Start

A2A_NODE = Path(sys.executable).with_name("a2a-node")


@dataclass(frozen=True, slots=True)
class RunningNode:
    """A node that takes calls."""

    address: str
    http: str
    key: str
    data_dir: Path
    program: Program

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.program.pid

    @property
    def environ(self) -> dict[str, str]:
        """What a client's environment needs to find it."""
        return {"A2A_ADDRESS": self.address, "A2A_KEY": self.key}


def ready(program: Program, data_dir: Path) -> RunningNode:
    """The node of a process, once it takes calls."""
    said = program.line(r"ready grpc=(\S+) http=(\S+)")
    key = (data_dir / "dev.key").read_text(encoding="utf-8").strip()
    return RunningNode(said[1], said[2], key, data_dir, program)


@contextmanager
def running_node(
    data_dir: Path,
    *options: str,
    grpc_port: int = 0,
    environ: Mapping[str, str] | None = None,
    start: Start = node_process,
) -> Iterator[RunningNode]:
    """A node on this data directory, which is asked to end with the block, and ends well.

    Where there is nothing yet, its Postgres has been made before: tests/integration/store tell of those that make it.
    """
    seeds.sow(data_dir)
    ports = ("--grpc-port", str(grpc_port), "--peer-port", "0", "--http-port", "0")
    with Program((A2A_NODE, "up", *ports, "--data-dir", data_dir, *options), environ, start) as program:
        yield ready(program, data_dir)
        program.end_well()


@contextmanager
def mesh_node(data_dir: Path, stores: Mapping[str, str], *options: str) -> Iterator[RunningNode]:
    """A node of a mesh, on stores that others share, which ends well; `stores` is the environment that names them."""
    ports = ("--grpc-port", "0", "--peer-port", "0", "--http-port", "0")
    data_dir.mkdir(exist_ok=True)
    with Program((A2A_NODE, "serve", *ports, "--data-dir", data_dir, *options), stores, node_process) as program:
        yield ready(program, data_dir)
        program.end_well()
