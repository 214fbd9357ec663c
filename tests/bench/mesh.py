"""Two nodes of a mesh: what a hop between them costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.bench.load import WORKERS, Figures, Target
from tests.bench.processes import python, started
from tests.bench.rows import Row, row
from tests.ports import free_port

INVOKE = "/a2amesh.v1.AgentService/Invoke"
MANY = 64  # calls under way: those of a busy node
Rounds = Callable[[Mapping[str, Target], Sequence[str], float, int], dict[str, list[Figures]]]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the nodes live, and on which stores."""

    home: Path
    stores: Mapping[str, str]

    def options(self, name: str, port: int) -> tuple[str, ...]:
        """The command line of a node."""
        ports = {"grpc-port": port, "peer-port": free_port(), "http-port": free_port()}
        words = {**ports, "data-dir": self.home / name, "node-id": name}
        return python("a2a_node", "serve", *(f"--{option}={value}" for option, value in words.items()))


@contextmanager
def two_nodes(places: Places, body: bytes) -> Iterator[Mapping[str, Target]]:
    """A node that has no agent, and another one that hosts the echo; a bare echo beside them, and a relay before it."""
    with ExitStack() as house:
        targets = {}
        for name, environ in (("far", {}), ("near", {"A2A_ECHO": "false"})):
            port = free_port()
            command = places.options(name, port)
            house.enter_context(started(*command, ready="ready grpc=", environ={**places.stores, **environ}))
            targets[name] = Target(f"127.0.0.1:{port}", INVOKE, body, str(places.home / name / "dev.key"))
        behind: tuple[str, ...] = ()
        for name in ("bare", "relay"):
            port = free_port()
            house.enter_context(started(*python("tests.bench.bare", str(port), *behind), ready="ready"))
            behind = (f"127.0.0.1:{port}",)
            targets[name] = Target(*behind, "/bare.Echo/Say", body, targets["near"].key_file)
        yield targets


def hop_rows(targets: Mapping[str, Target], rounds: Rounds, rate: float) -> list[Row]:
    """Calls per second through two nodes beside a bare echo, and what the hop adds to a call of the node behind it."""
    rows = [*rate_rows(targets, rounds, MANY, "rps"), *rate_rows(targets, rounds, WORKERS, f"{WORKERS}_rps")]
    steady = rounds(targets, ("near", "far"), rate, WORKERS)
    for name in ("p50", "p99"):
        hop, direct = (median(getattr(one, f"{name}_ms") for one in steady[kind]) for kind in ("near", "far"))
        rows.append(row(f"hop_added_{name}_ms", hop - direct, "ms", direct, errors(steady)))
    return rows


def rate_rows(targets: Mapping[str, Target], rounds: Rounds, workers: int, unit: str) -> list[Row]:
    """Calls per second with so many under way, each way beside a bare echo with as many.

    The same of a bare relay before a bare echo, two processes as well, tells what there is to reach.
    """
    seen = rounds(targets, ("bare", "relay", "near"), 0, workers)
    through, relayed, bare = (median(one.rate for one in seen[kind]) for kind in ("near", "relay", "bare"))
    named = ((f"two_node_{unit}", through), (f"bare_relay_{unit}", relayed))
    return [row(name, value, "calls/s", bare, errors(seen)) for name, value in named]


def errors(seen: Mapping[str, Sequence[Figures]]) -> int:
    """Of all that was measured."""
    return sum(one.errors for figures in seen.values() for one in figures)
