"""Which figures a node shows, by the room that knows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from a2a_node.audit.recording import Recorder
from a2a_node.audit.refusals import Refusals
from a2a_node.audit.tap import Tap
from a2a_node.audit.watching import Watching
from a2a_node.mesh.attached import Attached
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.drain import Draining
from a2a_node.mesh.endpoint import Endpoints
from a2a_node.mesh.hosted import Hosted
from a2a_node.mesh.membership import Renewals
from a2a_node.mesh.once import Lookups
from a2a_node.model.agents import InstanceKind
from a2a_node.model.nodes import NodeStatus
from a2a_node.store.pool import Pool
from a2a_node.tracing.counts import Counts
from a2a_node.web.figures import Figure


@dataclass(frozen=True, slots=True)
class Work:
    """The rooms through which calls go."""

    calls: Calls
    hosted: Hosted
    attached: Attached
    endpoints: Endpoints
    lookups: Lookups
    draining: Draining
    open_streams: Callable[[], Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Records:
    """The rooms that tell what happened."""

    recorder: Recorder
    refusals: Refusals
    watching: Watching
    tap: Tap
    lines_dropped: Callable[[], int]


def of_directory(directory: Directory) -> Sequence[Figure]:
    """The mesh as this node knows it."""

    def enabled() -> int:
        return sum(entry.agent.enabled for entry in directory.agents())

    def instances() -> Mapping[str, float]:
        kinds = Counter(instance.kind for entry in directory.agents() for instance in entry.instances)
        return {kind.value: kinds[kind] for kind in InstanceKind}

    def nodes() -> Mapping[str, float]:
        statuses = Counter(node.status for node in directory.nodes())
        return {status.value: statuses[status] for status in NodeStatus}

    return (
        Figure("a2a_agents_total", "Registered agents", lambda: len(directory.agents())),
        Figure("a2a_agents_enabled", "Registered agents that may be called", enabled),
        Figure(
            "a2a_agents_disabled",
            "Registered agents that are switched off",
            lambda: len(directory.agents()) - enabled(),
        ),
        Figure("a2a_instances", "Running copies of agents in the mesh, by kind", instances, "kind"),
        Figure("a2a_nodes", "Nodes of the mesh, by status", nodes, "status"),
        Figure("a2a_directory_revision", "Revision of the registry that is known here", lambda: directory.revision),
        Figure("a2a_directory_behind", "1 while the registry is out of hearing", lambda: directory.behind),
        Figure("a2a_directory_watchers", "Streams that watch the directory", lambda: directory.watchers),
    )


def of_work(work: Work) -> Sequence[Figure]:
    """What goes through this node now."""

    def loads() -> Mapping[str, float]:
        return {
            InstanceKind.HOSTED.value: work.hosted.load(),
            InstanceKind.ATTACHED.value: work.attached.load(),
            InstanceKind.ENDPOINT.value: work.endpoints.load(),
        }

    def lookups() -> Mapping[str, float]:
        return {"hit": work.lookups.hits, "miss": work.lookups.misses}

    def occupancies() -> Mapping[str, float]:
        return {
            InstanceKind.HOSTED.value: work.hosted.occupancy(),
            InstanceKind.ATTACHED.value: work.attached.occupancy(),
        }

    occupied = "Calls of the busiest agent, as a part of those that it takes at a time, by kind of instance"
    answered = "Calls of cached capabilities, by whether they were answered without an agent's work"
    return (
        Figure("a2a_calls_in_flight", "Calls under way that came into the mesh here", work.calls.entered),
        Figure("a2a_calls_remembered", "Ended calls that GetCall still knows", work.calls.remembered),
        Figure("a2a_agent_load", "Calls that agents work on or have waiting, by kind of instance", loads, "kind"),
        Figure("a2a_agent_occupancy", occupied, occupancies, "kind"),
        Figure("a2a_attached_agents", "Agents that are attached to this node", lambda: len(work.attached)),
        Figure("a2a_endpoint_lines", "Connections to agents' own addresses", work.endpoints.lines),
        Figure("a2a_open_streams", "RPCs that stream and are open, by method", work.open_streams, "method"),
        Figure("a2a_cache_lookups", answered, lookups, "result", grows=True),
        Figure("a2a_draining", "1 while this node takes no new calls", lambda: work.draining.begun),
    )


def of_stores(up: Callable[[], Mapping[str, bool]], pools: Mapping[str, Callable[[], Pool]]) -> Sequence[Figure]:
    """Whether each store answers, and its pool of connections."""

    def read(part: Callable[[Pool], int]) -> Callable[[], Mapping[str, float]]:
        return lambda: {store: part(pool()) for store, pool in pools.items()}

    return (
        Figure("a2a_store_up", "1 while the store answers", up, "store"),
        Figure("a2a_store_pool_size", "Connections to the store at most", read(lambda pool: pool.size), "store"),
        Figure(
            "a2a_store_connections_in_use",
            "Connections to the store that somebody uses",
            read(lambda pool: pool.in_use),
            "store",
        ),
        Figure(
            "a2a_store_connections_idle",
            "Connections to the store that wait for the next use",
            read(lambda pool: pool.idle),
            "store",
        ),
    )


def of_membership(renewals: Renewals) -> Sequence[Figure]:
    """How this node keeps its place in the mesh."""
    return (
        Figure("a2a_lease_renewals", "Times that the node's lease was renewed", lambda: renewals.kept, grows=True),
        Figure(
            "a2a_lease_renewal_failures",
            "Renewals that failed because the registry was away",
            lambda: renewals.failed,
            grows=True,
        ),
        Figure(
            "a2a_nodes_given_up",
            "Other nodes that missed their lease and did not answer",
            lambda: renewals.given_up,
            grows=True,
        ),
        Figure(
            "a2a_lease_losses",
            "Times that the lease had ended, and the node joined again",
            lambda: renewals.lost,
            grows=True,
        ),
    )


def of_audit(records: Records) -> Sequence[Figure]:
    """How far the audit is with what it has to write, and who reads it."""
    recorder = records.recorder

    def streams() -> Mapping[str, float]:
        return {"events": records.watching.watchers, "calls": len(records.tap.readers)}

    dropped = "Events that were not written: the queue was full, or the store away until the end"
    return (
        Figure("a2a_audit_queue", "Events that wait to be written", recorder.queued),
        Figure("a2a_audit_queue_capacity", "Events that may wait to be written", lambda: recorder.capacity),
        Figure("a2a_audit_behind_seconds", "Since events were written, while any wait", recorder.behind),
        Figure("a2a_audit_written", "Events that were written", lambda: recorder.written, grows=True),
        Figure("a2a_audit_dropped", dropped, lambda: recorder.dropped, grows=True),
        Figure(
            "a2a_audit_coalesced",
            "Refusals that are told by the event of an equal one",
            lambda: records.refusals.coalesced,
            grows=True,
        ),
        Figure("a2a_audit_streams", "Streams of events and of calls, by kind", streams, "kind"),
        Figure(
            "a2a_access_lines_dropped",
            "Lines of the access log that nobody read in time",
            records.lines_dropped,
            grows=True,
        ),
    )


def of_tracing(counts: Counts) -> Sequence[Figure]:
    """What becomes of spans."""
    became = "Spans by what became of them: exported, failed (their receiver did not take them) or dropped (no room)"
    return (
        Figure("a2a_trace_spans", became, counts.outcomes, "outcome", grows=True),
        Figure("a2a_trace_spans_waiting", "Spans that wait to be exported", lambda: counts.waiting),
    )
