"""What the running node tells of itself over HTTP: whether it is ready, and its figures."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from prometheus_client.parser import text_string_to_metric_families

from a2a_node.cli.checks.finding import Finding
from a2a_node.cli.checks.http import HttpDoor
from a2a_node.cli.checks.item import Item, Verdict, item, needs, wants
from a2a_node.cli.checks.node import WELL, ready_answer
from a2a_node.settings import Settings

LEAST_FAMILIES = 30
LEAST_FILES = 4096
MOST_QUEUED = 0.5  # of what may wait
MOST_STILL = 1800.0  # seconds
WATCHED = frozenset(
    {  # what monitoring/prometheus/rules ask for, without the suffixes of samples
        "a2a_agent_invocations",
        "a2a_agent_occupancy",
        "a2a_audit_behind_seconds",
        "a2a_audit_dropped",
        "a2a_audit_queue",
        "a2a_audit_queue_capacity",
        "a2a_certificate_expiry_seconds",
        "a2a_certificate_lifetime_seconds",
        "a2a_directory_behind",
        "a2a_event_loop_lag_seconds",
        "a2a_limit_alone",
        "a2a_mcp_servers_failed",
        "a2a_mcp_servers_quarantined",
        "a2a_nodes",
        "a2a_rate_limit_exceeded",
        "a2a_response_time_seconds",
        "a2a_rpcs",
        "a2a_store_connections_in_use",
        "a2a_store_pool_size",
        "a2a_store_up",
        "a2a_workflow_engine",
        "a2a_workflow_still_seconds",
        "process_cpu_seconds",
        "process_max_fds",
        "process_open_fds",
    }
)
Labels = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Told:
    """Whether the node is ready, what is not well, and its figures: for each family its samples."""

    ready: bool
    unwell: Mapping[str, str]
    figures: Mapping[str, Sequence[tuple[Labels, float]]] = field(default_factory=dict)

    def most(self, name: str, **labels: str) -> float:
        """The largest sample of a family that has these labels; 0 where there is none."""
        found = (value for has, value in self.figures.get(name, ()) if labels.items() <= has.items())
        return max(found, default=0.0)


@item
def node_ready(told: Told) -> Verdict:
    """It takes calls."""
    return needs(told.ready, f"the node is {'ready' if told.ready else 'not ready'}", "start it, or see its log")


@item
def node_dependencies(told: Told) -> Verdict:
    """Calls go on without some of them, and not for ever."""
    message = ", ".join(f"{name}: {state}" for name, state in told.unwell.items()) or "all that it depends on is well"
    return needs(told.ready and not told.unwell, message, "see what it is waiting for, and its log")


@item
def metrics_served(told: Told) -> Verdict:
    """Prometheus has something to read."""
    families = sum(name.startswith("a2a_") for name in told.figures)
    return needs(
        families >= LEAST_FAMILIES, f"/metrics has {families} figures of the mesh", "let Prometheus reach the port"
    )


@item
def alerts_fed(told: Told) -> Verdict:
    """An alert on a figure that nobody tells never fires."""
    missing = ", ".join(sorted(WATCHED - told.figures.keys()))
    message = f"missing: {missing}" if missing else "every figure that the alerts ask for is told"
    return needs(not missing, message, "use the rules of the node's own version")


@item
def open_files(told: Told) -> Verdict:
    """Each connection is one."""
    most, now = told.most("process_max_fds"), told.most("process_open_fds")
    return needs(
        most >= LEAST_FILES, f"{now:.0f} of {most:.0f} files are open", f"LimitNOFILE=65536, or ulimit -n {LEAST_FILES}"
    )


@item
def audit_queue(told: Told) -> Verdict:
    """Changes wait, or go unrecorded, when it is full."""
    queued, room = told.most("a2a_audit_queue"), told.most("a2a_audit_queue_capacity")
    message = f"{queued:.0f} events wait, of {room:.0f}; {told.most('a2a_audit_dropped'):.0f} were dropped"
    met = queued <= MOST_QUEUED * room and not told.most("a2a_audit_dropped")
    return needs(met, message, "see Postgres: the queue is written there")


@item
def engine_up(told: Told) -> Verdict:
    """Runs go nowhere without it."""
    down = told.most("a2a_workflow_engine", state="down") > 0
    return needs(
        not down, f"the engine of workflows is {'down' if down else 'not down'}", "see the node's log for why it ends"
    )


@item
def runs_moving(told: Told) -> Verdict:
    """One that stands still waits for something that does not come."""
    still = max(told.most("a2a_workflow_still_seconds", status=status) for status in ("pending", "running"))
    message = f"no run has stood still for more than {still:.0f} s"
    return needs(still <= MOST_STILL, message, "`a2a-node workflow runs --status running`, then cancel or retry it")


@item
def limits_shared(told: Told) -> Verdict:
    """Without Redis each node admits its own share alone."""
    alone = told.most("a2a_limit_alone") > 0
    message = f"limits are kept {'by this node alone' if alone else 'by all nodes together'}"
    return wants(not alone, message, "see Redis; after a restart it takes some seconds")


CHECKS: Sequence[Item[Told]] = (
    node_ready,
    node_dependencies,
    metrics_served,
    alerts_fed,
    open_files,
    audit_queue,
    engine_up,
    runs_moving,
    limits_shared,
)


async def in_figures(settings: Settings) -> Sequence[Finding]:
    """All findings about what the node tells; those that need figures are not looked at where it tells none."""
    told = await asyncio.to_thread(read, HttpDoor.of(settings))
    seen = CHECKS if told.figures else CHECKS[:1]
    return [check(told) if check in seen else check.unseen("no node answers over HTTP") for check in CHECKS]


def read(door: HttpDoor) -> Told:
    """What a node tells at its door."""
    answer, reply = ready_answer(door), door.get("/metrics")
    unwell = {name: state for name, state in answer.stores.items() if state not in WELL} if answer else {}
    figures = parsed(reply.body.decode()) if answer and reply else {}
    return Told(answer is not None and answer.ready, unwell, figures)


def parsed(text: str) -> Mapping[str, Sequence[tuple[Labels, float]]]:
    """The samples of each family; those of histograms are not told apart."""
    families = text_string_to_metric_families(text)
    return {family.name: [(sample.labels, sample.value) for sample in family.samples] for family in families}
