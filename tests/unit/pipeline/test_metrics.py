"""The metrics layer: everything is counted, and nobody can make the labels grow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

from a2a_node.mesh.directory import Directory
from a2a_node.model.agents import AgentCapability
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import (
    AgentRefused,
    CallCancelled,
    CapabilityNotFound,
    MeshError,
    Unauthenticated,
)
from a2a_node.model.proxied import PROXIED, Entries, Proxied
from a2a_node.model.trace import Trace
from a2a_node.pipeline.metrics import Traffic
from a2a_node.testing import MemoryRegistry
from tests.unit.mesh.samples import known

INVOKE, STREAM, WATCH = "/AgentService/Invoke", "/AgentService/InvokeStream", "/RegistryService/WatchAgents"


async def nobody(_: Entries) -> None:
    """Nobody hears what an agent says first."""


THROUGH = Proxied((), nobody)


class House:
    """A layer and what it counts."""

    def __init__(self, registry: MemoryRegistry, directory: Directory, most: int = 100) -> None:
        self.registry, self.directory = registry, directory
        self.counted = CollectorRegistry()
        self.traffic = Traffic(self.counted, directory, most)
        self.traffic.serves([INVOKE, STREAM, WATCH])

    async def call(self, rest: Proceed, **fields: object) -> None:
        """Take one call through the layer."""
        call = Call(method=INVOKE, rest=rest, unary=True)
        for name, value in fields.items():
            setattr(call, name, value)
        await self.traffic.layer(call, rest)

    def count(self, metric: str, **labels: str) -> float:
        """A sample's value; 0 when there is none."""
        return self.counted.get_sample_value(metric, labels) or 0.0

    def text(self) -> str:
        """All of it, in OpenMetrics."""
        write, _ = choose_encoder("application/openmetrics-text")
        return write(self.counted).decode()

    def series(self) -> int:
        """How many samples there are."""
        return sum(len(family.samples) for family in self.counted.collect())


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """A layer on a directory with two agents, each with the capability `say`."""
    async with known("one", "two") as (registry, directory):
        yield House(registry, directory)


async def fine(_: Call) -> None:
    """All goes well."""


def failing(failure: BaseException) -> Proceed:
    """The rest of a call that fails."""

    async def rest(_: Call) -> None:
        raise failure

    return rest


def say(outcome: str, agent: str = "one") -> Mapping[str, str]:
    """The labels of calls of `say`."""
    return {"agent": agent, "capability": "say", "outcome": outcome}


async def test_a_call_counts_with_its_outcome_and_its_time(house: House) -> None:
    """Under the agent and the capability as the directory has them, also when the caller names no capability."""
    await house.call(fine, agent="one", capability="say")
    await house.call(fine, agent="one", capability="")
    assert house.count("a2a_agent_invocations_total", **say("ok")) == 2
    assert house.count("a2a_response_time_seconds_count", agent="one", capability="say") == 2
    assert house.count("a2a_rpcs_total", method=INVOKE, code="OK") == 2


async def test_a_failure_counts_by_its_reason_and_passes(house: House) -> None:
    """A reason of the agent's own is none that the contract names."""
    refused = AgentRefused("too far", code="OUT_OF_RANGE", reason="TOO_FAR")
    for failure in (Unauthenticated(), refused, RuntimeError("secret")):
        with pytest.raises(type(failure)):
            await house.call(failing(failure), agent="one", capability="say")
    assert house.count("a2a_agent_invocations_total", **say("error")) == 3
    for reason in ("UNAUTHENTICATED", "OTHER", "INTERNAL"):
        assert house.count("a2a_errors_total", reason=reason) == 1
    for code in ("UNAUTHENTICATED", "OUT_OF_RANGE", "INTERNAL"):
        assert house.count("a2a_rpcs_total", method=INVOKE, code=code) == 1


async def test_a_cancelled_call_is_no_error(house: House) -> None:
    """Whether its client went away or somebody cancelled it by name."""
    for failure in (asyncio.CancelledError(), CallCancelled("c", "enough")):
        with pytest.raises(type(failure)):
            await house.call(failing(failure), agent="one", capability="say")
    assert house.count("a2a_agent_invocations_total", **say("cancelled")) == 2
    assert house.count("a2a_rpcs_total", method=INVOKE, code="CANCELLED") == 2


async def test_a_call_that_another_node_brings_is_counted_there(house: House) -> None:
    """Whatever comes of it; here it is one of those that were brought, and nothing else."""
    before = house.series()
    brought = {"agent": "one", "capability": "say", "door": "peers"}
    await house.call(fine, **brought)
    await house.call(fine, **brought, method=STREAM, unary=False)
    for failure in (Unauthenticated(), asyncio.CancelledError()):
        with pytest.raises(type(failure)):
            await house.call(failing(failure), **brought)
    counted = {
        outcome: house.count("a2a_carried_calls_total", **say(outcome)) for outcome in ("ok", "error", "cancelled")
    }
    assert counted == {"ok": 2, "error": 1, "cancelled": 1}
    for outcome in counted:
        assert house.count("a2a_agent_invocations_total", **say(outcome)) == 0
    assert house.count("a2a_response_time_seconds_count", agent="one", capability="say") == 0
    assert house.count("a2a_errors_total", reason="UNAUTHENTICATED") == 0
    assert house.count("a2a_rpcs_total", method=INVOKE, code="OK") == 0
    await house.call(fine, door="peers", method=WATCH)  # an RPC that a node makes itself
    assert house.count("a2a_rpcs_total", method=WATCH, code="OK") == 1
    assert house.series() > before


async def test_calls_over_the_limit_count_for_their_agent(house: House) -> None:
    """And again among the errors."""
    limited = MeshError("slower")
    limited.code, limited.reason = "RESOURCE_EXHAUSTED", "RATE_LIMITED"
    with pytest.raises(MeshError):
        await house.call(failing(limited), agent="two", capability="say")
    assert house.count("a2a_rate_limit_exceeded_total", agent="two", capability="say") == 1


async def test_streams_are_open_until_they_end(house: House) -> None:
    """Those of calls and those that watch; a unary call is none."""
    seen: list[Mapping[str, float]] = []

    async def look(_: Call) -> None:
        seen.append(house.traffic.open_streams())

    await house.call(look, agent="one", method=STREAM, unary=False)
    await house.call(look, method=WATCH, endless=True)
    await house.call(look, agent="one")
    assert [{name: count for name, count in one.items() if count} for one in seen] == [{STREAM: 1}, {WATCH: 1}, {}]


async def test_ten_thousand_invented_names_make_one_series(house: House) -> None:
    """Agents, capabilities and methods alike."""
    await house.call(fine, agent="one", capability="say")
    before = house.series()
    for number in range(10_000):
        with pytest.raises(CapabilityNotFound):
            await house.call(
                failing(CapabilityNotFound("x", "y")), agent="one" if number % 2 else f"invented-{number}",
                capability=f"invented-{number}", method=f"/invented/{number}",
            )  # fmt: skip
    assert house.series() - before < 60
    assert "invented" not in house.text()
    assert house.count("a2a_agent_invocations_total", agent="one", capability="unknown", outcome="error") == 5000
    assert house.count("a2a_rpcs_total", method="unknown", code="NOT_FOUND") == 10_000


async def test_agents_beyond_the_most_share_a_series_and_those_gone_make_room() -> None:
    """A mesh in which agents come and go for years stays within bounds."""
    async with known("one", "two", "three") as (registry, directory):
        house = House(registry, directory, most=2)
        for name in ("one", "two"):
            await house.call(fine, agent=name, capability="say")
        await house.call(fine, agent="one", capability="say", door="peers")
        await directory.reached((await registry.remove_agent("one"))[1])
        await house.call(fine, agent="three", capability="say")
        assert house.count("a2a_agent_invocations_total", **say("ok", "one")) == 0
        assert house.count("a2a_carried_calls_total", **say("ok", "one")) == 0
        assert house.count("a2a_agent_invocations_total", **say("ok", "three")) == 1
        await house.call(fine, agent="nobody", capability="say")
        assert house.count("a2a_agent_invocations_total", agent="unknown", capability="unknown", outcome="ok") == 1
        assert house.count("a2a_agent_invocations_total", **say("ok", "two")) == 1


async def test_a_kept_trace_stands_as_an_example(house: House) -> None:
    """In OpenMetrics, with the id that finds it; one that is not kept would lead nowhere."""
    await house.call(fine, agent="one", capability="say", trace=Trace(0xABC, 1, sampled=False))
    assert "trace_id" not in house.text()
    await house.call(fine, agent="one", capability="say", trace=Trace(0xDEF, 1, sampled=True))
    assert f'# {{trace_id="{0xDEF:032x}"}}' in house.text()


async def test_methods_of_an_agents_own_are_named_once_they_served_somebody(house: House) -> None:
    """At most so many of one agent; failing ones that nobody ever answered share a series."""

    async def asked(name: str, rest: Proceed = fine) -> None:
        offered = AgentCapability(name)
        with suppress(AgentRefused):
            await house.call(rest, agent="one", capability=name, method=PROXIED, offered=offered, proxied=THROUGH)

    house.traffic.serves([PROXIED])
    refused = failing(AgentRefused("no such method", code="UNIMPLEMENTED"))
    for number in range(1000):
        await asked(f"a.B/Invented{number}", refused)
    for _ in range(2):
        await asked("a.B/Served")
    await asked("a.B/Served", refused)
    ended = "a2a_agent_invocations_total"
    assert house.count(ended, agent="one", capability="unknown", outcome="error") == 1000
    assert house.count(ended, agent="one", capability="a.B/Served", outcome="ok") == 2
    assert house.count(ended, agent="one", capability="a.B/Served", outcome="error") == 1
    assert house.count("a2a_rpcs_total", method=PROXIED, code="OK") == 2
    for number in range(100):
        await asked(f"a.B/Any{number}")
    assert house.count(ended, agent="one", capability="unknown", outcome="ok") > 50
    assert "Invented" not in house.text()
