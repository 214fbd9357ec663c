"""Rounds of all sides that take turns, and the rows that come of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median
from time import sleep
from typing import IO, cast

from tests.bench.flows.graphs import GRAPHS
from tests.bench.flows.side import Runs
from tests.bench.load import Figures, Target
from tests.bench.mesh import Places
from tests.bench.processes import ROOT, START_SECONDS, awaited, python, started
from tests.bench.rows import Row, row
from tests.ports import free_port

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = 3
WARM = 1.0  # seconds of each side that do not count
RISE, FALL = 0.3, 0.2  # seconds of runs before and after the calls beside them
ENGINE, MESH, TEMPORAL = (f"tests.bench.flows.{name}" for name in ("engine", "mesh", "temporal"))


class Side:
    """A program that runs graphs when it is told to."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, steps: int, seconds: float) -> None:
        """Begin with runs of the graph with so many steps, for so long."""
        print(steps, seconds, file=self._process.stdin, flush=True)

    def heard(self) -> Runs:
        """What came of them, once the last has ended."""
        line = cast("IO[str]", self._process.stdout).readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        return Runs(**json.loads(line))

    def spent(self, steps: int, seconds: float) -> Runs:
        """Both."""
        self.tell(steps, seconds)
        return self.heard()


@contextmanager
def side(*command: str, environ: Mapping[str, str] | None = None) -> Iterator[Side]:
    """Run such a program until the block ends."""
    pipe, env = subprocess.PIPE, {**os.environ, **(environ or {})}
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=env)
    try:
        awaited(process, "ready")
        yield Side(process)
    finally:
        process.communicate(timeout=START_SECONDS)  # its stdin ends, and it with that


@contextmanager
def temporal() -> Iterator[Side]:
    """Temporal's development server as it comes, which keeps everything in memory, and a worker with its client."""
    port, quiet = free_port(), {"TEMPORAL_VERSION_CHECK_DISABLED": "1"}
    options = {"port": port, "http-port": free_port(), "log-level": "never"}
    command = [str(Path(sys.executable).with_name("temporal")), "server", "start-dev", "--headless"]
    command += [f"--{name}={value}" for name, value in options.items()]
    with started(*command, ready="Server:", environ=quiet), side(*python(TEMPORAL, f"127.0.0.1:{port}")) as running:
        yield running


@contextmanager
def flow_sides(places: Places) -> Iterator[tuple[Mapping[str, Side], str]]:
    """All sides, the node and the bare engine on the same Postgres; and the node's address."""
    port, name = free_port(), "flows"
    with ExitStack() as house:
        command = places.options(name, port)
        house.enter_context(started(*command, ready="ready grpc=", environ=places.stores))
        address, own = f"127.0.0.1:{port}", {**places.stores, "A2A_DATA_DIR": str(places.home / name)}
        sides = {
            "mesh": house.enter_context(side(*python(MESH, address), environ=own)),
            "engine": house.enter_context(side(*python(ENGINE), environ=places.stores)),
            "temporal": house.enter_context(temporal()),
        }
        yield sides, address


def side_rows(sides: Mapping[str, Side]) -> list[Row]:
    """Steps and runs per second and the median of a run, of each graph, in rounds that take turns."""
    seen = {(name, steps): list[Runs]() for steps in GRAPHS for name in sides}
    for number in range(ROUNDS + 1):
        for (name, steps), found in seen.items():
            runs = sides[name].spent(steps, SECONDS / ROUNDS if number else WARM)
            if number:
                found.append(runs)
    return [one for steps in GRAPHS for one in _rows(steps, {name: seen[name, steps] for name in sides})]


def _rows(steps: int, seen: Mapping[str, Sequence[Runs]]) -> list[Row]:
    """The rows of one graph; the longer one's are the plain names."""
    which = "" if steps == max(GRAPHS) else f"{steps}_"
    rate = {name: median(one.runs / one.seconds for one in found) for name, found in seen.items()}
    p50 = {name: median(one.p50_ms for one in found) for name, found in seen.items()}
    wrong = {name: sum(one.errors for one in [*seen["mesh"], *found]) for name, found in seen.items()}
    steps_per_s = {name: steps * one for name, one in rate.items()}
    theirs, bare = wrong["temporal"], wrong["engine"]
    return [
        row(f"workflow_{which}steps_per_s", steps_per_s["mesh"], "steps/s", steps_per_s["temporal"], theirs),
        row(f"workflow_{which}steps_vs_engine", steps_per_s["mesh"], "steps/s", steps_per_s["engine"], bare),
        row(f"workflow_{which}runs_per_s", rate["mesh"], "runs/s", rate["temporal"], theirs),
        row(f"workflow_{which}run_p50_ms", p50["mesh"], "ms", p50["temporal"], theirs),
    ]


def call_rows(mesh: Side, calls: Target, rate: float) -> list[Row]:
    """What ten runs that are going add to plain calls through the same node, at a steady rate."""
    alone, beside, runs = list[Figures](), list[Figures](), list[Runs]()
    span = SECONDS / ROUNDS
    for number in range(ROUNDS + 1):
        quiet = calls.loaded(span, rate=rate)
        mesh.tell(max(GRAPHS), span + RISE + FALL)
        sleep(RISE)
        busy = calls.loaded(span, rate=rate)
        found = mesh.heard()
        if number:
            alone, beside, runs = [*alone, quiet], [*beside, busy], [*runs, found]
    errors = sum(one.errors for one in [*alone, *beside]) + sum(one.errors for one in runs)
    rows = []
    for name in ("p50", "p99"):
        with_runs, without = (median(getattr(one, f"{name}_ms") for one in which) for which in (beside, alone))
        rows.append(row(f"calls_{name}_added_by_workflows_ms", with_runs - without, "ms", without, errors))
    return rows
