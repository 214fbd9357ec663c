"""`make bench`: calls per second, added latency, start and memory, each as a ratio to a baseline of the same run."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import median

from a2amesh.v1 import agent_service_pb2, payload_pb2
from tests.bench.flows.rows import call_rows, flow_sides, side_rows
from tests.bench.idle import idle_row
from tests.bench.load import WORKERS, Figures, Target, build
from tests.bench.mcp import list_row
from tests.bench.mesh import Places, hop_rows, two_nodes
from tests.bench.processes import ROOT, python, resident_mb, started
from tests.bench.rows import Row, row, written
from tests.bench.streams import stream_rows
from tests.bench.tools import tool_rows
from tests.ports import free_port

SECONDS = float(os.environ.get("BENCH_SECONDS", "4"))
ROUNDS = 5
STARTS = 5
KINDS = ("hosted", "attached", "endpoint")
IDLE = 500  # agents that are attached and do nothing
STEADY_RATE = 500.0  # calls per second at which latency is measured
INVOKE = "/a2amesh.v1.AgentService/Invoke"


@dataclass(frozen=True, slots=True)
class Bench:
    """What runs: the targets by name, and the processes to weigh."""

    targets: Mapping[str, Target]
    node_pid: int
    bare_pid: int


def main() -> None:
    """Measure every row, or those of the parts that the command line names, and write `build/bench.json`."""
    parts = sys.argv[1:] or [OWN, *ON_STORES]
    if unknown := {*parts} - {OWN, *ON_STORES}:
        raise SystemExit(f"no part {', '.join(sorted(unknown))}; there are {', '.join([OWN, *ON_STORES])}")
    build()
    rows = [*(own_rows() if OWN in parts else ()), *on_given_stores(parts)]
    written(rows, ROOT / "build" / "bench.json")
    sys.exit(1 if any(one.errors for one in rows) else 0)


def own_rows() -> list[Row]:
    """What is measured of one node on stores of its own."""
    with bench() as running:
        fast = rounds(running.targets, ("bare", *KINDS), rate=0)
        memory = row("node_rss_mb", resident_mb(running.node_pid), "MB", resident_mb(running.bare_pid))
        steady = rounds(running.targets, ("bare", *KINDS), rate=STEADY_RATE)
        streams = stream_rows(running.targets["hosted"])
    return [*(rate_row(fast, kind) for kind in KINDS), *latency_rows(steady), *added_rows(steady), memory, *streams]


@contextmanager
def bench() -> Iterator[Bench]:
    """A node with an agent of each kind, and a bare echo beside it."""
    with ExitStack() as house:
        home = house.enter_context(open_folder())
        node_port, bare_port = free_port(), free_port()
        address = f"127.0.0.1:{node_port}"
        environ = {"A2A_DATA_DIR": str(home / "data")}
        node_pid, _ = house.enter_context(started(*node("up", node_port, home), ready="ready grpc=", environ=environ))
        bare_pid, _ = house.enter_context(started(*python("tests.bench.bare", str(bare_port)), ready="ready"))
        for kind in ("attached", "endpoint"):
            command = python("tests.bench.agents", kind, address)
            house.enter_context(started(*command, ready="ready", environ=environ))
        key_file = str(home / "data" / "dev.key")
        agents = {"hosted": "echo", "attached": "bench-attached", "endpoint": "bench-endpoint"}
        targets = {kind: Target(address, INVOKE, question(agent), key_file) for kind, agent in agents.items()}
        targets["bare"] = Target(f"127.0.0.1:{bare_port}", "/bare.Echo/Say", question("echo"), key_file)
        yield Bench(targets, node_pid, bare_pid)


def question(agent: str) -> bytes:
    """A call of `say` with JSON bytes, as SDKs send it."""
    said = payload_pb2.Payload(data=b'{"text":"hello, hello, hello"}')
    return agent_service_pb2.InvokeRequest(agent=agent, capability="say", input=said).SerializeToString()


def rounds(
    targets: Mapping[str, Target], kinds: Sequence[str], rate: float, workers: int = WORKERS
) -> dict[str, list[Figures]]:
    """Figures of each kind, in rounds that take turns, after one round that does not count."""
    seen: dict[str, list[Figures]] = {kind: [] for kind in kinds}
    for number in range(ROUNDS + 1):
        for kind in kinds:
            figures = targets[kind].loaded(SECONDS / ROUNDS if number else 0.5, rate=rate, workers=workers)
            if number:
                seen[kind].append(figures)
    return seen


def rate_row(seen: Mapping[str, Sequence[Figures]], kind: str) -> Row:
    """Calls per second beside the bare echo's."""
    value, baseline = (median(one.rate for one in seen[name]) for name in (kind, "bare"))
    return row(f"{kind}_echo_rps", value, "calls/s", baseline, errors(seen, kind))


def latency_rows(seen: Mapping[str, Sequence[Figures]]) -> list[Row]:
    """The latency of each kind at a steady rate, beside the bare echo's."""
    rows = []
    for kind, name in product(KINDS, ("p50", "p99")):
        value, baseline = (median(getattr(one, f"{name}_ms") for one in seen[which]) for which in (kind, "bare"))
        rows.append(row(f"{kind}_echo_{name}_ms", value, "ms", baseline, errors(seen, kind)))
    return rows


def added_rows(seen: Mapping[str, Sequence[Figures]]) -> list[Row]:
    """What the node adds to the bare echo's latency at a steady rate."""
    rows = []
    for name in ("p50", "p99"):
        value, baseline = (median(getattr(one, f"{name}_ms") for one in seen[kind]) for kind in ("hosted", "bare"))
        added = row(f"hosted_echo_added_{name}_ms", value - baseline, "ms", baseline, errors(seen, "hosted"))
        rows.append(added)
    return rows


def errors(seen: Mapping[str, Sequence[Figures]], kind: str) -> int:
    """Errors of a kind and of its baseline, which would make the ratio worthless as well."""
    return sum(one.errors for name in (kind, "bare") for one in seen[name])


def on_given_stores(parts: Sequence[str]) -> list[Row]:
    """What is measured on stores that are there before the node."""
    picked = [rows for name, rows in ON_STORES.items() if name in parts]
    if not picked:
        return []
    with open_folder() as home, stores(home) as environ:
        return [one for rows in picked for one in rows(home, environ)]


def start_rows(home: Path, environ: Mapping[str, str]) -> list[Row]:
    """Milliseconds until `serve` is ready, beside a bare server's."""
    nodes, bares = [], []
    for _ in range(STARTS + 1):
        with started(*node("serve", free_port(), home), ready="ready grpc=", environ=environ) as (_, seconds):
            nodes.append(seconds)
        with started(*python("tests.bench.bare", str(free_port())), ready="ready") as (_, seconds):
            bares.append(seconds)
    return [row("ready_ms", median(nodes[1:]) * 1000, "ms", median(bares[1:]) * 1000)]


def layer_rows(home: Path, environ: Mapping[str, str]) -> list[Row]:
    """Microseconds of each layer's own, beside those of all."""
    shares = told("tests.bench.layers", str(home / "layers"), environ)
    return [row(f"layer_{name}_us", share, "us", shares["all"]) for name, share in shares.items()]


def limit_rows(home: Path, environ: Mapping[str, str]) -> list[Row]:
    """How often limits ask Redis, beside once for every call; and what a refusal costs the layers."""
    seen = told("tests.bench.limits", str(home / "limits"), environ)
    errors = int(seen["errors"])
    return [
        row("limit_redis_trips_per_call", seen["trips_per_call"], "trips", 1.0, errors),
        row("refusal_us", seen["refusal_us"], "us", seen["call_us"], errors),
    ]


def member_rows(home: Path, environ: Mapping[str, str]) -> list[Row]:
    """What a registry of 1,000 nodes and 10,000 agents takes, and what its directory costs a node."""
    seen = told("tests.bench.members", str(home / "members"), environ)
    errors = int(seen["errors"])
    return [
        row("registry_writes_per_s", seen["writes_per_s"], "writes/s", seen["bare_per_s"], errors),
        row("lease_renewals_per_s", seen["renewals_per_s"], "leases/s", seen["renewals_wanted"], errors),
        row("lease_renewal_p99_ms", seen["renewals_p99_ms"], "ms", seen["bare_ms"], errors),
        row("directory_listeners", seen["listeners"], "nodes", seen["nodes"], errors),
        row("directory_known_p50_ms", seen["known_p50_ms"], "ms", seen["bare_ms"], errors),
        row("directory_known_everywhere_p50_ms", seen["everywhere_p50_ms"], "ms", seen["bare_ms"], errors),
        row("directory_known_everywhere_p99_ms", seen["everywhere_p99_ms"], "ms", seen["bare_ms"], errors),
        row("directory_memory_mb", seen["directory_mb"], "MB", seen["empty_mb"], errors),
        row("directory_load_ms", seen["load_ms"], "ms", seen["read_ms"], errors),
        row("directory_find_us", seen["find_us"], "us", seen["find_few_us"], errors),
        row("directory_list_us", seen["list_us"], "us", seen["list_few_us"], errors),
    ]


def wrong_key_rows(home: Path, environ: Mapping[str, str]) -> list[Row]:
    """Microseconds that a wrong key costs all layers, beside the 100 that a refusal may cost."""
    seen = told("tests.bench.wrong_keys", str(home / "wrong_keys"), environ)
    return [row(f"refusal_of_{what}_us", seen[f"{what}_us"], "us", 100.0) for what in ("key", "token")]


def two_node_rows(home: Path, environ: Mapping[str, str]) -> list[Row]:
    """What a hop between two nodes costs."""
    with two_nodes(Places(home, environ), question("echo")) as targets:
        return hop_rows(targets, rounds, STEADY_RATE)


def workflow_rows(home: Path, environ: Mapping[str, str]) -> list[Row]:
    """What a graph of steps that do nothing takes, beside Temporal and the bare engine; and what it costs calls."""
    with flow_sides(Places(home, environ)) as (sides, address):
        calls = Target(address, INVOKE, question("echo"), str(home / "flows" / "dev.key"))
        return [*side_rows(sides), *call_rows(sides["mesh"], calls, STEADY_RATE)]


def idle_rows(home: Path, environ: Mapping[str, str]) -> list[Row]:
    """What agents cost a node that are attached and do nothing."""
    return [idle_row(Places(home, environ), IDLE)]


def mcp_rows(home: Path, environ: Mapping[str, str]) -> list[Row]:
    """What assistants wait for."""
    return [list_row(Places(home, environ))]


def called_rows(home: Path, environ: Mapping[str, str]) -> list[Row]:
    """What a node adds to the call of an MCP server's tool."""
    return tool_rows(Places(home, environ))


def told(module: str, directory: str, environ: Mapping[str, str]) -> dict[str, float]:
    """What a program of this folder prints last, as JSON."""
    done = subprocess.run(
        python(module, directory),
        check=True,
        capture_output=True,
        text=True,
        timeout=240,
        env={**os.environ, **environ},
    )
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


@contextmanager
def stores(home: Path) -> Iterator[Mapping[str, str]]:
    """Stores that run before any node does; yields the environment that names them."""
    with started(*python("tests.bench.stores", str(home / "stores"), str(home / "urls")), ready="ready"):
        postgres_url, redis_url = (home / "urls").read_text().split()
        yield {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url, "A2A_DATA_DIR": str(home / "data")}


def node(command: str, port: int, home: Path) -> tuple[str, ...]:
    """The command line of a node."""
    options = {"grpc-port": port, "peer-port": free_port(), "http-port": free_port(), "data-dir": home / "data"}
    return python("a2a_node", command, *(f"--{name}={value}" for name, value in options.items()))


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that the stores' own user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="a2a-bench-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


OWN = "own"  # the part of one node on stores of its own
ON_STORES: Mapping[str, Callable[[Path, Mapping[str, str]], list[Row]]] = {
    "start": start_rows,
    "layers": layer_rows,
    "refusals": wrong_key_rows,
    "hop": two_node_rows,
    "members": member_rows,
    "idle": idle_rows,
    "mcp": mcp_rows,
    "workflows": workflow_rows,
    "tools": called_rows,
    "limits": limit_rows,  # last: it makes limits for all nodes on these stores
}


if __name__ == "__main__":
    main()
