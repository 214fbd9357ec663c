"""The limits layer: whose bucket a call empties, and which calls have none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from time import monotonic
from types import SimpleNamespace
from typing import cast

import pytest

from a2a_node.limits.limiter import Limiter
from a2a_node.limits.rules import Rules
from a2a_node.mesh.route import Entry
from a2a_node.model.agents import AgentCapability, AgentDescriptor, RegisteredAgent
from a2a_node.model.call import Call
from a2a_node.model.envelope import Envelope, handed_to
from a2a_node.model.errors import AgentNotFound, CapabilityNotFound, RateLimited
from a2a_node.model.limits import LimitKey, Rate
from a2a_node.model.principal import Principal
from a2a_node.pipeline.limits import Limits
from a2a_node.testing import MemoryBuckets, MemoryLimits
from tests.unit.mesh.calls import passed_through

ANN, CROWD = Principal("person", "ann"), Principal("agent", "crowd")
THEN = datetime(2026, 11, 26, tzinfo=UTC)
ECHO = AgentDescriptor("echo", capabilities=(AgentCapability("say"), AgentCapability("dear", cost=2)))


class Directory:
    """Knows echo alone."""

    def find(self, agent: str) -> Entry:
        """The entry of echo."""
        if agent != ECHO.name:
            raise AgentNotFound(agent)
        known = RegisteredAgent(ECHO, "a-1", "person:dev", True, THEN, THEN, THEN, 1)  # noqa: FBT003 - enabled
        return cast("Entry", SimpleNamespace(agent=known, instances=()))


class House:
    """The layer, and what passed it."""

    def __init__(self, layer: Limits, limiter: Limiter) -> None:
        self.layer, self.limiter, self.passed = layer, limiter, 0

    async def admits(self, call: Call) -> bool:
        """Whether a call passes."""
        try:
            await self.layer.check(call, self._pass)
        except RateLimited:
            return False
        return True

    async def _pass(self, _: Call) -> None:
        self.passed += 1


@pytest.fixture
async def house() -> AsyncIterator[House]:
    """Everybody may make three calls, and no more."""
    limiter = Limiter(MemoryBuckets(), "n1", lambda: 1)
    await limiter.begin()
    async with Rules.following(MemoryLimits(), Rate(0.001, 3)) as rules:
        yield House(Limits(Directory(), rules, limiter), limiter)


async def nothing(_: Call) -> None:
    """The rest."""


def call(principal: Principal = ANN, agent: str = "echo", capability: str = "say") -> Call:
    """A call as it comes from auth."""
    made = Call(method="/a2amesh.v1.AgentService/Invoke", rest=nothing, agent=agent, capability=capability)
    made.principal, made.envelope = principal, Envelope(monotonic() + 60, 60.0, path=(agent,), id="c", root="c")
    return made


def child(parent: Call, agent: str = "echo") -> Call:
    """A call that the agent of another makes."""
    assert parent.envelope is not None
    made = call(CROWD, agent)
    made.envelope = handed_to("crowd", parent.envelope, parent.principal, None)
    return made


async def test_everybody_has_a_bucket_for_each_capability(house: House) -> None:
    """From which a call takes what it costs."""
    assert [await house.admits(call()) for _ in range(4)] == [True, True, True, False]
    assert [await house.admits(call(capability="dear")) for _ in range(2)] == [True, False]
    assert await house.admits(call(Principal("person", "bob")))
    assert (house.passed, len(house.limiter)) == (5, 3)


async def test_a_child_call_empties_the_bucket_of_the_root(house: House) -> None:
    """However many agents are in between; an agent has one of its own for what it calls by its own key."""
    assert await house.admits(call())
    assert await house.admits(child(call()))
    assert await house.admits(child(child(call())))
    assert [await house.admits(call()), await house.admits(child(call()))] == [False, False]
    assert await house.admits(call(CROWD))


async def test_what_is_not_there_has_no_bucket(house: House) -> None:
    """It is not found."""
    with pytest.raises(AgentNotFound):
        await house.admits(call(agent="nobody"))
    with pytest.raises(CapabilityNotFound):
        await house.admits(call(capability="nothing"))
    assert len(house.limiter) == 0


async def test_what_calls_no_agent_or_was_counted_before_is_let_through(house: House) -> None:
    """A call that another node hands on was counted there."""
    for _ in range(5):
        assert await house.admits(replace(call(), agent=""))
        assert await house.admits(replace(call(), carrier="n2"))
    assert len(house.limiter) == 0


async def test_methods_of_an_agents_own_share_a_bucket_but_those_that_a_limit_names() -> None:
    """Whatever callers invent."""
    limiter, limits = Limiter(MemoryBuckets(), "n1", lambda: 1), MemoryLimits()
    await limits.put(LimitKey(capability="a.B/Named"), Rate(0.001, 1), "person:dev")
    await limiter.begin()
    async with Rules.following(limits, Rate(0.001, 3)) as rules:
        house = House(Limits(Directory(), rules, limiter), limiter)
        invented = [await house.admits(passed_through(call(capability=f"a.B/C{number}"))) for number in range(5)]
        assert invented == [True, True, True, False, False]
        assert [await house.admits(passed_through(call(capability="a.B/Named"))) for _ in range(2)] == [True, False]
        assert await house.admits(call())
        assert len(limiter) == 3
