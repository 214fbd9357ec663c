"""What is decided from facts of the machine, the node, the mesh and its stores."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from a2a_node.cli.checks.finding import State
from a2a_node.cli.checks.item import Item
from a2a_node.cli.checks.production import figures, fleet, machine, mesh, postgres, redis
from a2a_node.client import Verification
from a2a_node.client.freezes import FreezeState
from a2a_node.model.audit import Break
from a2a_node.model.freezes import Freeze, FreezeKind, FreezeTarget
from a2a_node.model.grants import Grant
from a2a_node.model.keys import ApiKey
from a2a_node.model.limits import Limit, LimitKey, Rate
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.store.migrate import HEAD

ROOT = Path(__file__).parents[4]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MIB = 1 << 20
SERVER = postgres.Server(
    version=18,
    tls=True,
    fsync="on",
    synchronous_commit="on",
    full_page_writes="on",
    checksums="on",
    autovacuum="on",
    archive_mode="on",
    superuser=False,
    connections=97,
    used=40,
    standbys=1,
    oldest=1.0,
    skew=0.1,
    nodes=2,
    schema=HEAD,
    local=False,
)
INFO = {
    "redis_version": "7.2.4",
    "used_memory": 10 * MIB,
    "maxmemory": 100 * MIB,
    "maxclients": 10_000,
    "connected_clients": 100,
    "role": "master",
    "aof_last_write_status": "ok",
    "connected_slaves": 1,
}
CONFIG = {
    "appendonly": "yes",
    "appendfsync": "always",
    "maxmemory-policy": "noeviction",
    "protected-mode": "yes",
    "bind": "10.0.0.1",
}
REDIS = redis.Facts(tls=True, local=False, password=True, info=INFO, config=CONFIG)


def check_of(checks: Sequence[Item[Any]], name: str) -> Item[Any]:
    """The one of that name."""
    return next(check for check in checks if check.name == name)


@pytest.mark.parametrize(
    ("name", "change", "state"),
    [
        ("postgres-tls", {"tls": False}, State.FAIL),
        ("postgres-version", {"version": 13}, State.FAIL),
        ("postgres-fsync", {"fsync": "off"}, State.FAIL),
        ("postgres-commits", {"synchronous_commit": "off"}, State.FAIL),
        ("postgres-pages", {"full_page_writes": "off"}, State.FAIL),
        ("postgres-checksums", {"checksums": "off"}, State.WARN),
        ("postgres-role", {"superuser": True}, State.FAIL),
        ("postgres-connections", {"nodes": 4}, State.FAIL),
        ("postgres-room", {"used": 80}, State.FAIL),
        ("postgres-vacuum", {"autovacuum": "off"}, State.FAIL),
        ("postgres-transactions", {"oldest": 7200.0}, State.WARN),
        ("postgres-archive", {"archive_mode": "off"}, State.WARN),
        ("postgres-standby", {"standbys": 0}, State.WARN),
        ("postgres-clock", {"skew": 3.0}, State.FAIL),
        ("postgres-schema", {"schema": "0001"}, State.FAIL),
    ],
)
def test_a_postgres_that_keeps_its_promises_is_told_from_others(
    name: str, change: Mapping[str, Any], state: State
) -> None:
    """One fact at a time."""
    check = check_of(postgres.CHECKS, name)
    assert check(SERVER).state == State.OK
    assert check(replace(SERVER, **change)).state == state


def test_every_item_of_postgres_is_tried_above() -> None:
    """And on loopback no TLS is needed."""
    assert {check(SERVER).state for check in postgres.CHECKS} == {State.OK}
    assert postgres.postgres_tls(replace(SERVER, tls=False, local=True)).state == State.OK
    urls = ("postgresql://a:b@127.0.0.1/c", "postgresql:///c?host=/run/postgresql", "postgresql://db.example/c")
    assert [postgres.is_local(url) for url in urls] == [True, True, False]


@pytest.mark.parametrize(
    ("name", "change", "state"),
    [
        ("redis-tls", {"tls": False}, State.FAIL),
        ("redis-version", {"info": INFO | {"redis_version": "6.2.1"}}, State.FAIL),
        ("redis-password", {"password": False}, State.FAIL),
        ("redis-memory", {"info": INFO | {"used_memory": 90 * MIB}}, State.WARN),
        ("redis-memory", {"info": INFO | {"maxmemory": 0}}, State.WARN),
        ("redis-clients", {"info": INFO | {"maxclients": 150}}, State.FAIL),
        ("redis-role", {"info": INFO | {"role": "slave"}}, State.FAIL),
        ("redis-disk", {"info": INFO | {"aof_last_write_status": "err"}}, State.FAIL),
        ("redis-replica", {"info": INFO | {"connected_slaves": 0}}, State.WARN),
        ("redis-bind", {"password": False, "config": CONFIG | {"protected-mode": "no"}}, State.FAIL),
        ("redis-appendonly", {"config": CONFIG | {"appendonly": "no"}}, State.FAIL),
        ("redis-appendfsync", {"config": CONFIG | {"appendfsync": "everysec"}}, State.FAIL),
        ("redis-eviction", {"config": CONFIG | {"maxmemory-policy": "allkeys-lru"}}, State.FAIL),
    ],
)
def test_a_redis_that_keeps_its_promises_is_told_from_others(
    name: str, change: Mapping[str, Any], state: State
) -> None:
    """One fact at a time."""
    check = check_of(redis.CHECKS, name)
    assert check(REDIS).state == State.OK
    assert check(replace(REDIS, **change)).state == state


def test_valkey_counts_on_by_itself() -> None:
    """It says 7.2.4 for clients of Redis, and its own version beside it."""
    finding = redis.redis_version(replace(REDIS, info={"redis_version": "7.2.4", "valkey_version": "8.1.0"}))
    assert (finding.state, finding.message) == (State.OK, "is Valkey 8.1.0")


@pytest.mark.parametrize(
    ("name", "text", "state"),
    [
        ("open-files", "# TYPE process_max_fds gauge\nprocess_max_fds 65536\n", State.OK),
        ("open-files", "# TYPE process_max_fds gauge\nprocess_max_fds 1024\n", State.FAIL),
        ("audit-queue", "a2a_audit_queue 10\na2a_audit_queue_capacity 100\n", State.OK),
        ("audit-queue", "a2a_audit_queue 60\na2a_audit_queue_capacity 100\n", State.FAIL),
        ("audit-queue", "# TYPE a2a_audit_dropped_total counter\na2a_audit_dropped_total 1\n", State.FAIL),
        ("engine-up", 'a2a_workflow_engine{state="up"} 1\na2a_workflow_engine{state="down"} 0\n', State.OK),
        ("engine-up", 'a2a_workflow_engine{state="down"} 1\n', State.FAIL),
        ("runs-moving", 'a2a_workflow_still_seconds{status="waiting"} 99999\n', State.OK),
        ("runs-moving", 'a2a_workflow_still_seconds{status="running"} 1801\n', State.FAIL),
        ("limits-shared", "a2a_limit_alone 0\n", State.OK),
        ("limits-shared", "a2a_limit_alone 1\n", State.WARN),
        ("metrics-served", "".join(f"a2a_{number} 1\n" for number in range(30)), State.OK),
        ("metrics-served", "".join(f"a2a_{number} 1\n" for number in range(29)), State.FAIL),
        ("alerts-fed", "".join(f"{name} 1\n" for name in figures.WATCHED), State.OK),
        ("alerts-fed", "a2a_nodes 1\n", State.FAIL),
    ],
)
def test_figures_mean_what_they_say(name: str, text: str, state: State) -> None:
    """As Prometheus reads them."""
    told = figures.Told(ready=True, unwell={}, figures=figures.parsed(text))
    assert check_of(figures.CHECKS, name)(told).state == state


def test_a_node_that_is_not_well_is_found_so() -> None:
    """Ready and well are two things."""
    well, waits = figures.Told(ready=True, unwell={}), figures.Told(ready=True, unwell={"redis": "away"})
    assert figures.node_ready(waits).state == State.OK
    assert figures.node_ready(figures.Told(ready=False, unwell={})).state == State.FAIL
    assert [figures.node_dependencies(told).state for told in (well, waits)] == [State.OK, State.FAIL]


def test_the_doctor_knows_every_figure_that_rules_ask_for() -> None:
    """Of alerts, and of what they are computed from; samples of counters and histograms have suffixes."""
    texts = [file.read_text() for file in (ROOT / "monitoring/prometheus/rules").glob("*.yml")]
    rules = [rule for text in texts for group in yaml.safe_load(text)["groups"] for rule in group["rules"]]
    asked = {name for rule in rules for name in re.findall(r"\b(?:a2a|process)_[a-z_]+\b", rule["expr"])}
    assert {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in asked} == figures.WATCHED


def node(name: str, zone: str, version: str = "1.0", status: NodeStatus = NodeStatus.ALIVE) -> Node:
    """A node of the mesh."""
    return Node(name, f"10.0.0.1{name[-1]}:50051", region="eu", zone=zone, version=version, status=status)


@pytest.mark.parametrize(
    ("name", "nodes", "state"),
    [
        ("two-nodes", [node("n1", "a")], State.FAIL),
        ("two-nodes", [node("n1", "a"), node("n2", "a", status=NodeStatus.SUSPECT)], State.FAIL),
        ("two-zones", [node("n1", "a"), node("n2", "a")], State.FAIL),
        ("two-zones", [node("n1", ""), node("n2", "")], State.FAIL),
        ("same-version", [node("n1", "a"), node("n2", "b", "1.1")], State.WARN),
        ("no-suspect", [node("n1", "a"), node("n2", "b", status=NodeStatus.SUSPECT)], State.FAIL),
        ("peers-met", [node("n1", "a"), replace(node("n2", "b"), address="127.0.0.1:50051")], State.WARN),
    ],
)
def test_a_mesh_that_may_lose_a_node_is_told_from_others(name: str, nodes: Sequence[Node], state: State) -> None:
    """Two nodes in two zones are enough."""
    check = check_of(fleet.CHECKS, name)
    assert check([node("n1", "a"), node("n2", "b")]).state == State.OK
    assert check(nodes).state == state


def test_keys_that_never_end_are_named() -> None:
    """A few of them."""
    keys = [ApiKey(f"k{number}", "person:ada", "person:ada", NOW) for number in range(7)]
    finding = mesh.keys_expire(keys)
    assert finding.state == State.WARN
    assert finding.message.endswith("k0, k1, k2, k3, k4 and 2 more")
    assert mesh.keys_expire([replace(key, expires_at=NOW) for key in keys]).state == State.OK


def test_grants_that_cover_more_than_they_name_are_told() -> None:
    """Those with a star."""
    grants = [Grant("g", "person:ada", "person:bob", what, NOW) for what in ("agent:echo:invoke", "agent:*:invoke")]
    assert mesh.wide_grants(grants[:1]).state == State.OK
    assert mesh.wide_grants(grants).state == State.WARN
    assert "person:bob" in mesh.wide_grants(grants).message


def test_what_is_frozen_or_without_limits_is_worth_a_look() -> None:
    """And no reason to stop."""
    frozen = FreezeState(Freeze("f", FreezeTarget(FreezeKind.AGENT, "echo"), "drill", "person:ada", NOW), ())
    assert [mesh.freezes_lifted(held).state for held in ([], [frozen])] == [State.OK, State.WARN]
    limit = Limit(LimitKey(), Rate(1.0, 1))
    assert [mesh.limits_set(said).state for said in ([limit], [])] == [State.OK, State.WARN]


def test_an_audit_that_was_changed_is_a_failure() -> None:
    """Whatever else is well."""
    assert mesh.audit_whole(Verification(intact=True, breaks=(), chains=2, events=9)).state == State.OK
    broken = Verification(intact=False, breaks=(Break("n1", 4, "changed"),), chains=2, events=9)
    assert mesh.audit_whole(broken).state == State.FAIL


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("memory-left", machine.Machine(100 * MIB, 50, 100, 2)),
        ("memory-left", machine.Machine(None, 50, 100, 2)),
        ("disk-left", machine.Machine(900 * MIB, 5, 100, 2)),
        ("processors", machine.Machine(900 * MIB, 50, 100, 1)),
    ],
)
def test_a_machine_with_room_is_told_from_others(name: str, bad: machine.Machine) -> None:
    """What the system does not tell is no good sign."""
    check = check_of(machine.CHECKS, name)
    assert check(machine.Machine(900 * MIB, 50, 100, 2)).state == State.OK
    assert check(bad).state != State.OK


def test_a_control_group_bounds_the_memory(tmp_path: Path) -> None:
    """Where it has a bound that is nearer than the machine's."""
    told = {"MemAvailable": 900}
    assert machine.memory(told, tmp_path) == 900
    (tmp_path / "memory.current").write_text("100\n")
    for bound, left in (("max\n", 900), ("500\n", 400), ("5000\n", 900)):
        (tmp_path / "memory.max").write_text(bound)
        assert machine.memory(told, tmp_path) == left
    assert machine.memory({}, tmp_path / "none") is None
