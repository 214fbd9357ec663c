"""monitoring/ as it is used: a real Prometheus over two nodes under load is asked every query, and a node is killed."""

from __future__ import annotations

import json
import re
import signal
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
import yaml
from redis import Redis

from a2a_node.store.embedded import StoreAddresses
from tests.e2e.busy_mesh import two_nodes, under_load
from tests.e2e.nodes import RunningNode
from tests.e2e.watched import MONITORING, Heard, Prometheus, eventually, watching
from tests.seeds import TEMPLATE

COMPARED = re.compile(r"(?<![=!<>~])(==|!=|<=|>=|<|>)(?!=)(?! bool)")
IN_BRACES = re.compile(r"\{[^}]*\}")
DASHBOARD = json.loads((MONITORING / "grafana/dashboards/a2a-mesh.json").read_text())
RULES = [
    rule
    for file in ("recording.yml", "alerts.yml")
    for group in yaml.safe_load((MONITORING / "prometheus/rules" / file).read_text())["groups"]
    for rule in group["rules"]
]
TRUE = (
    'sum(up{job="a2a-node"}) == bool 2',
    'sum(a2a_workflows_total{status="completed"}) > bool 0',
    'max(a2a_workflow_runs{status="waiting"}) == bool 1',
    'sum(a2a_mcp_server_restarts_total{server="odd"}) > bool 0',
    'sum(a2a_rate_limit_exceeded_total{agent="far"}) > bool 0',
    'sum(a2a_carried_calls_total{outcome="ok"}) > bool 0',
    "max(a2a_open_websockets) == bool 1",
    'min(a2a_certificate_expiry_seconds{door="peers"}) > bool 0',
)
RECORDED = {rule["record"] for rule in RULES if "record" in rule}


@dataclass(frozen=True, slots=True)
class Watched:
    """Two nodes, and who watches them."""

    nodes: tuple[RunningNode, RunningNode]
    prometheus: Prometheus
    heard: Heard


@pytest.fixture(scope="module")
def watched(
    stores: StoreAddresses,
    administer: Callable[[str], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Watched]:
    """Both nodes have been under load for as long as anybody looks at them."""
    folder = tmp_path_factory.mktemp("watched")
    administer(f"CREATE DATABASE watched TEMPLATE {TEMPLATE}")
    with Redis.from_url(stores.redis_url) as client:
        client.flushall()
    postgres = urlsplit(stores.postgres_url)._replace(path="/watched").geturl()
    with (
        two_nodes(folder, {"A2A_POSTGRES_URL": postgres, "A2A_REDIS_URL": stores.redis_url}) as (one, two),
        watching(folder, [one.http, two.http]) as (prometheus, heard),
    ):
        yield Watched((one, two), prometheus, heard)
    administer("DROP DATABASE watched WITH (FORCE)")


def panel_queries() -> Iterator[tuple[str, str]]:
    """Every query of every panel, by the panel's title, with the variables as Grafana would fill them in."""
    filled = {"$job": "a2a-node", "$instance": ".+", "$__rate_interval": "20s"}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"]
            for variable, value in filled.items():
                query = query.replace(variable, value)
            yield panel["title"], query


def rule_queries() -> Iterator[tuple[str, str]]:
    """Every rule's, by its name; comparisons say 0 or 1, so that an alert that does not fire says something, too."""
    for rule in RULES:
        parts = IN_BRACES.split(rule["expr"])
        braces = [*IN_BRACES.findall(rule["expr"]), ""]
        compared = [COMPARED.sub(r"\1 bool", part) for part in parts]
        yield rule.get("alert") or rule["record"], "".join(map("".join, zip(compared, braces, strict=True)))


def names_in(query: str) -> set[str]:
    """The metrics that a query asks for."""
    bare = re.sub(r"\b(by|on|without)\s*\([^)]*\)", "", IN_BRACES.sub("", query))
    return set(re.findall(r"\b(?:a2a|process|python)[:_][a-z0-9_:]+", bare))


def told_by(node: RunningNode) -> set[str]:
    """The names of all that /metrics of a node tells, as Prometheus would write them."""
    with urllib.request.urlopen(f"http://{node.http}/metrics", timeout=20) as response:
        page = response.read().decode()
    types = dict(re.findall(r"^# TYPE (\S+) (\S+)$", page, flags=re.MULTILINE))
    parts = {
        f"{name}_{part}" for name, kind in types.items() if kind == "histogram" for part in ("bucket", "sum", "count")
    }
    return set(types) | parts


def test_alerts_that_do_not_fire_are_asked_for_as_well() -> None:
    """The comparison alone is changed, and never a label's."""
    asked = dict(rule_queries())
    assert asked["A2ANodeDown"] == 'up{job="a2a-node"} == bool 0'
    assert asked["A2AAgentFailing"].count(" bool ") == 2
    assert " bool " not in asked["a2a:rpc_faults:rate5m"]
    assert {name: query.replace(" bool", "") for name, query in asked.items()} == {
        rule.get("alert") or rule["record"]: rule["expr"] for rule in RULES
    }


def test_every_name_that_is_asked_for_is_told_by_a_node(watched: Watched) -> None:
    """Or is recorded by a rule."""
    asked = {name for _, query in (*panel_queries(), *rule_queries()) for name in names_in(query)}
    variables = {name for variable in DASHBOARD["templating"]["list"] for name in names_in(str(variable["query"]))}
    assert len(asked) > 60
    assert (asked | variables) - told_by(watched.nodes[0]) - RECORDED == set()


def test_every_panel_and_every_rule_has_data(watched: Watched) -> None:
    """Numbers, of two nodes under load; and Prometheus has no trouble with any rule."""
    queries = [*panel_queries(), *rule_queries()]
    with under_load(*watched.nodes) as goes_on:

        def silent() -> Sequence[object]:
            goes_on()
            return [(name, query) for name, query in queries if not watched.prometheus.values(query)]

        def untrue() -> Sequence[object]:
            goes_on()
            return [query for query in TRUE if watched.prometheus.values(query) != [1]]

        eventually(silent)
        eventually(untrue)
    assert {rule["health"] for rule in watched.prometheus.rules()} == {"ok"}
    assert "A2ANodeDown" not in {name for name, _ in watched.prometheus.firing()}


def test_a_node_that_is_killed_is_told_of(watched: Watched) -> None:
    """By its alert, which is handed on with the link to its section; nothing of the kind is told of the other one."""
    one, two = watched.nodes
    two.program.send(signal.SIGKILL)
    expected = ("A2ANodeDown", two.http)
    eventually(lambda: [] if expected in watched.prometheus.firing() else [expected])
    eventually(lambda: [] if expected in watched.heard.alerts else [expected])
    assert watched.heard.alerts[expected].endswith("#a2anodedown")
    assert ("A2ANodeDown", one.http) not in {*watched.prometheus.firing(), *watched.heard.alerts}
