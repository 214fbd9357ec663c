"""What a node tells of itself at /metrics: real figures, in both formats, with bounded labels."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import AsyncIterator, Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as plain_metrics

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import AgentLost, AgentNotFound, MeshError, Unauthenticated
from a2a_node.node import Node
from tests.integration.conftest import Running
from tests.integration.peer_agents import Work, by_stream, known, worker
from tests.integration.people import Meet, meet
from tests.integration.receiver import over_grpc

__all__ = ["meet"]
OPEN_METRICS = "application/openmetrics-text; version=1.0.0"


async def page(node: Node, accept: str = "text/plain") -> str:
    """What /metrics answers."""
    request = urllib.request.Request(f"http://{node.http_address}/metrics", headers={"accept": accept})

    def read() -> str:
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
            body: bytes = response.read()
            return body.decode()

    return await asyncio.to_thread(read)


async def metrics(node: Node) -> dict[str, Metric]:
    """The metrics by name."""
    families: Iterable[Metric] = plain_metrics(await page(node))
    return {family.name: family for family in families}


def value(found: dict[str, Metric], name: str, **labels: str) -> float:
    """The value of the one sample that has these labels."""
    samples = [sample for family in found.values() for sample in family.samples if sample.name == name]
    (number,) = [sample.value for sample in samples if labels.items() <= sample.labels.items()]
    return float(number)


def total(found: dict[str, Metric], name: str, **labels: str) -> float:
    """The sum of the samples that have these labels, of which there may be none."""
    samples = [sample for family in found.values() for sample in family.samples if sample.name == name]
    return sum(sample.value for sample in samples if labels.items() <= sample.labels.items())


async def test_a_node_tells_at_least_thirty_metrics_each_with_help(running_node: Running) -> None:
    """And those that operators ask for by name."""
    async with running_node() as (node, mesh):
        await mesh.call("echo", "say", {"text": "x"})
        found = await metrics(node)
        own = [name for name in found if name.startswith("a2a_")]
        assert len(own) >= 30
        assert all(family.documentation for family in found.values())
        for name in ("a2a_agents_total", "a2a_agents_enabled", "a2a_agents_disabled", "process_resident_memory_bytes"):
            assert name in found
        for counter in ("a2a_agent_invocations", "a2a_errors", "a2a_rate_limit_exceeded", "a2a_cache_lookups"):
            assert found[counter].type == "counter"
        assert found["a2a_response_time_seconds"].type == "histogram"


async def test_calls_and_refusals_are_counted(running_node: Running) -> None:
    """By agent, capability and outcome, and by the contract's reason."""
    async with running_node() as (node, mesh), MeshClient(node.grpc_address, "wrong") as stranger:
        for _ in range(3):
            await mesh.call("echo", "say", {"text": "x"})
        with pytest.raises(Unauthenticated):
            await stranger.call("echo", "say", {"text": "x"})
        found = await metrics(node)
        said = {"agent": "echo", "capability": "say"}
        assert value(found, "a2a_agent_invocations_total", **said, outcome="ok") == 3
        assert value(found, "a2a_agent_invocations_total", **said, outcome="error") == 1
        assert value(found, "a2a_response_time_seconds_count", **said) == 4
        assert value(found, "a2a_errors_total", reason="UNAUTHENTICATED") == 1
        assert value(found, "a2a_rpcs_total", method="/a2amesh.v1.AgentService/Invoke", code="OK") == 3
        assert value(found, "a2a_agents_enabled") == 1
        assert value(found, "a2a_store_up", store="postgres") == 1
        assert value(found, "a2a_store_pool_size", store="redis") > 1


async def test_what_is_under_way_is_told(running_node: Running) -> None:
    """Open streams, calls in flight, attached agents, and none of them once they have ended."""
    agent, release = Agent("waiter"), asyncio.Event()

    @agent.capability
    async def wait() -> AsyncIterator[int]:
        yield 1
        await release.wait()
        yield 2

    async with running_node() as (node, mesh):
        async with attached(agent, node.grpc_address, key=node.key_file.read_text().strip()):
            numbers = mesh.stream("waiter", "wait")
            assert await anext(numbers) == {"result": 1}
            during = await metrics(node)
            release.set()
            assert [number async for number in numbers] == [{"result": 2}]
        after = await metrics(node)
    stream = {"method": "/a2amesh.v1.AgentService/InvokeStream"}
    for found, expected in ((during, 1), (after, 0)):
        assert value(found, "a2a_open_streams", **stream) == expected
        assert value(found, "a2a_calls_in_flight") == expected
        assert value(found, "a2a_agent_load", kind="attached") == expected
        assert value(found, "a2a_attached_agents") == expected


async def test_cache_lookups_are_counted_for_each_node_apart(running_node: Running) -> None:
    """A hit and a miss of one node are none of the next one's."""
    agent = Agent("oracle")

    @agent.capability(cache="60s")
    async def ask(question: str) -> str:
        return question.upper()

    for hits, misses in ((2, 1), (3, 0)):  # the shared cache still knows the answer when the second node starts
        async with running_node() as (node, mesh):
            async with attached(agent, node.grpc_address, key=node.key_file.read_text().strip()):
                for _ in range(3):
                    await mesh.call("oracle", "ask", {"question": "why"})
            found = await metrics(node)
            assert value(found, "a2a_cache_lookups_total", result="hit") == hits
            assert value(found, "a2a_cache_lookups_total", result="miss") == misses


async def test_invented_names_grow_nothing(running_node: Running) -> None:
    """Ten thousand agents that nobody has, and capabilities that one does not have, share a series."""
    async with running_node() as (node, mesh):
        await mesh.call("echo", "say", {"text": "x"})

        async def invent(numbers: range) -> None:
            for number in numbers:
                with pytest.raises(AgentNotFound):
                    await mesh.call(f"invented-{number}", f"capability-{number}")

        before = await page(node)
        await asyncio.gather(*(invent(range(first, first + 500)) for first in range(0, 10_000, 500)))
        found = await metrics(node)
        assert "invented" not in await page(node)
        unknown = {"agent": "unknown", "capability": "unknown"}
        assert value(found, "a2a_agent_invocations_total", **unknown, outcome="error") == 10_000
        assert len((await page(node)).splitlines()) < len(before.splitlines()) + 60


async def test_open_metrics_are_given_when_asked_for(running_node: Running) -> None:
    """Every line of them is understood by a strict reader."""
    async with running_node() as (node, mesh):
        await mesh.call("echo", "say", {"text": "x"})
        text = await page(node, OPEN_METRICS)
        assert text.endswith("# EOF\n")
        families: list[Metric] = list(open_metrics(text))  # type: ignore[no-untyped-call]  # it comes without types
        assert {family.name: family.unit for family in families}["a2a_response_time_seconds"] == "seconds"


async def test_calls_whose_trace_is_kept_are_examples(running_node: Running) -> None:
    """By their trace's id, in the bucket of their time."""
    with over_grpc() as receiver:
        async with running_node(trace_endpoint=receiver.address) as (node, mesh):
            await mesh.call("echo", "say", {"text": "x"})
            text = await page(node, OPEN_METRICS)
        traces = {f"{span.trace_id:032x}" for span in receiver.spans if span.name.endswith("/Invoke")}
    families: list[Metric] = list(open_metrics(text))  # type: ignore[no-untyped-call]  # it comes without types
    times = next(family for family in families if family.name == "a2a_response_time_seconds")
    assert {sample.exemplar.labels["trace_id"] for sample in times.samples if sample.exemplar} == traces
    assert len(traces) == 1


async def test_what_other_rooms_count_is_there_from_the_start(running_node: Running) -> None:
    """Every status of the contract, at 0 while no run came to it; and how far the audit is."""
    async with running_node() as (node, _):
        found = await metrics(node)
        for status in ("pending", "running", "paused", "waiting", "completed", "failed", "cancelled"):
            assert value(found, "a2a_workflows_total", status=status) == 0
            assert total(found, "a2a_workflow_runs", status=status) == 0
        assert value(found, "a2a_mcp_servers_running") == 0
        assert value(found, "a2a_workflow_engine", state="idle") == 1
        assert value(found, "a2a_open_websockets") == 0
        assert value(found, "a2a_audit_queue_capacity") == 10_000
        assert 0 < value(found, "a2a_certificate_expiry_seconds", door="peers") <= 86_400
        assert value(found, "a2a_certificate_lifetime_seconds", door="peers") >= 86_400
        assert value(found, "a2a_audit_dropped_total") == 0
        assert value(found, "a2a_audit_streams", kind="events") == 0


async def test_sums_over_the_nodes_of_a_mesh_are_true(meet: Meet) -> None:
    """A call counts where it came in, however many nodes it passes; the others tell that they were brought one."""
    async with (
        meet("one", echo=False) as one,
        meet("two", echo=False) as two,
        by_stream(worker("near", Work()), one),
        by_stream(worker("far", Work()), two),
    ):
        await known(one, "near", "far")
        await known(two, "near", "far")
        await one.dev.call("near", "hand_on", {"route": ["far"]})  # its child is carried
        with pytest.raises(MeshError, match="not today"):
            await one.dev.call("far", "refuse", {"code": "ABORTED"})
        assert [number async for number in one.dev.stream("far", "count", {"n": 3})]
        found = [await metrics(place.node) for place in (one, two)]
    invoke = "/a2amesh.v1.AgentService/Invoke"
    for name, labels, counted in (
        ("a2a_agent_invocations_total", {"agent": "near", "capability": "hand_on", "outcome": "ok"}, [1, 0]),
        ("a2a_agent_invocations_total", {"agent": "far", "capability": "hand_on", "outcome": "ok"}, [1, 0]),
        ("a2a_agent_invocations_total", {"agent": "far", "capability": "refuse", "outcome": "error"}, [1, 0]),
        ("a2a_agent_invocations_total", {"agent": "far", "capability": "count", "outcome": "ok"}, [1, 0]),
        ("a2a_response_time_seconds_count", {"agent": "far", "capability": "hand_on"}, [1, 0]),
        ("a2a_carried_calls_total", {"agent": "far", "capability": "hand_on", "outcome": "ok"}, [0, 1]),
        ("a2a_carried_calls_total", {"agent": "far", "capability": "refuse", "outcome": "error"}, [0, 1]),
        ("a2a_carried_calls_total", {"agent": "far", "capability": "count", "outcome": "ok"}, [0, 1]),
        ("a2a_errors_total", {"reason": "OTHER"}, [1, 0]),
        ("a2a_rpcs_total", {"method": invoke, "code": "ABORTED"}, [1, 0]),
        ("a2a_calls_in_flight", {}, [0, 0]),
    ):
        assert [total(node, name, **labels) for node in found] == counted, (name, labels)


async def test_links_and_tries_are_counted(meet: Meet) -> None:
    """On both nodes that a call passes; and the breaker of what was lost."""
    async with meet("one", echo=False) as one, meet("two") as two:
        await known(one, "echo")
        assert await one.dev.call("echo", "say", {"text": "x"})
        for place, direction in ((one, "out"), (two, "in")):
            found = await metrics(place.node)
            assert value(found, "a2a_peer_links", direction=direction) == 1
            assert value(found, "a2a_peer_calls", direction=direction) == 0
            assert value(found, "a2a_breakers", state="closed") == 1
            assert value(found, "a2a_instances_in_flight") == 0
        await one.dev.agents.register(worker("lost", Work()).descriptor, "127.0.0.1:1", 60)
        with pytest.raises(AgentLost):
            await one.dev.call("lost", "crash")
        found = await metrics(one.node)
        assert value(found, "a2a_breaker_openings_total") == 1
        assert value(found, "a2a_breakers", state="open") + value(found, "a2a_breakers", state="half_open") == 1
        assert value(found, "a2a_retries_total", result="again") == 1
