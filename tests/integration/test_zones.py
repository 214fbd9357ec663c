"""Nearest first: own zone, then own region, as a client sees it; and further away when the near ones are in trouble."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack

import pytest

from a2a_node.agent import Agent
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.model.errors import AgentRefused, MeshError
from tests.ample import AMPLE
from tests.integration.peer_agents import PATIENCE
from tests.integration.people import Meet, Meeting, meet

__all__ = ["meet"]
PLACES = {"here": ("eu", "a"), "zone": ("eu", "a"), "region": ("eu", "b"), "far": ("us", "a")}


class Copies:
    """One copy of an agent at each of some nodes, and what each of them has answered."""

    def __init__(self) -> None:
        self.answers: Counter[str] = Counter()
        self.busy: set[str] = set()

    def agent(self, place: str) -> Agent:
        """The copy at a place; while it is busy it refuses, as an agent that limits its callers does."""
        agent = Agent("copied")

        @agent.capability(idempotent=True, limit=AMPLE)
        async def ask() -> str:
            if place in self.busy:
                raise AgentRefused("not so fast", code="RESOURCE_EXHAUSTED", reason="TOO_FAST")
            self.answers[place] += 1
            return place

        return agent

    async def asked(self, mesh: MeshClient, calls: int) -> Counter[str]:
        """Who answers so many calls; a refusal counts by its reason."""
        answers: Counter[str] = Counter()
        for _ in range(calls):
            try:
                answer = await mesh.call("copied", "ask")
            except MeshError as failure:
                answers[failure.reason] += 1
            else:
                assert isinstance(answer, dict)
                answers[answer["result"]] += 1
        return answers


@pytest.fixture
async def copies() -> Copies:
    """No copy yet."""
    return Copies()


async def opened(meet: Meet, copies: Copies, house: AsyncExitStack) -> tuple[Meeting, dict[str, AsyncExitStack]]:
    """The node that is asked, which has no copy, and what ends the copy at each other node."""
    meetings = {}
    for name, (region, zone) in PLACES.items():
        meetings[name] = await house.enter_async_context(meet(name, region=region, zone=zone, echo=False))
    ends = {}
    for name in ("far", "region", "zone"):
        ends[name] = await house.enter_async_context(AsyncExitStack())
        there = meetings[name]
        await ends[name].enter_async_context(attached(copies.agent(name), there.node.grpc_address, key=there.dev_key))
    async with asyncio.timeout(PATIENCE):
        while len(await instances(meetings["here"])) < len(ends):  # noqa: ASYNC110 - asked as an operator asks
            await asyncio.sleep(0.02)
    return meetings["here"], ends


async def instances(here: Meeting) -> list[str]:
    """The nodes that have a copy."""
    try:
        return [one.node for one in (await here.dev.agents.get("copied")).instances]
    except MeshError:
        return []


async def left(here: Meeting, copies: int) -> None:
    """Wait until so many copies are left."""
    async with asyncio.timeout(PATIENCE):
        while len(await instances(here)) != copies:  # noqa: ASYNC110 - asked as an operator asks
            await asyncio.sleep(0.02)


async def test_the_nearest_copy_answers(meet: Meet, copies: Copies) -> None:
    """That of one's own zone, then of one's region, and at last any."""
    async with AsyncExitStack() as house:
        here, ends = await opened(meet, copies, house)
        for number, place in enumerate(("zone", "region", "far")):
            assert await copies.asked(here.dev, 30) == {place: 30}
            await ends[place].aclose()
            await left(here, 2 - number)


async def test_a_near_copy_that_refuses_for_want_of_room_loses_its_share_and_gets_it_back(
    meet: Meet, copies: Copies
) -> None:
    """Most of its calls go to the next nearest; once it answers again, they come back little by little."""
    async with AsyncExitStack() as house:
        here, _ = await opened(meet, copies, house)
        copies.busy.add("zone")
        answers = await copies.asked(here.dev, 200)
        assert answers["region"] > 100
        assert answers["TOO_FAST"] < 100
        assert set(answers) == {"region", "TOO_FAST"}
        copies.busy.clear()
        async with asyncio.timeout(2 * PATIENCE):
            while (await copies.asked(here.dev, 20))["zone"] < 18:
                pass
