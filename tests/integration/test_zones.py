"""Nearest first: own node, zone, region, as a client sees it; and elsewhere when the near ones are in trouble."""

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
PLACES = {
    "here": ("eu", "a"),
    "zone": ("eu", "a"),
    "beside": ("eu", "a"),
    "region": ("eu", "b"),
    "far": ("us", "a"),
}


class Copies:
    """One copy of an agent at each of some nodes, and how often each of them was asked."""

    def __init__(self) -> None:
        self.tries: Counter[str] = Counter()
        self.fails: dict[str, str] = {}  # with which code, by the place

    def agent(self, place: str) -> Agent:
        """The copy at a place."""
        agent = Agent("copied")

        @agent.capability(idempotent=True, limit=AMPLE)
        async def ask() -> str:
            self.tries[place] += 1
            if place in self.fails:
                raise AgentRefused("not now", code=self.fails[place], reason="NOT_NOW")
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


async def opened(
    meet: Meet, copies: Copies, house: AsyncExitStack, *places: str
) -> tuple[Meeting, dict[str, AsyncExitStack]]:
    """The node that is asked, and what ends the copy in each of these places."""
    meetings = {}
    for name in dict.fromkeys(("here", *places)):
        region, zone = PLACES[name]
        meetings[name] = await house.enter_async_context(meet(name, region=region, zone=zone, echo=False))
    ends = {}
    for name in places:
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
    """That of the node that is asked, then of its zone, of its region, and at last any."""
    async with AsyncExitStack() as house:
        here, ends = await opened(meet, copies, house, "far", "region", "zone", "here")
        for number, place in enumerate(("here", "zone", "region", "far")):
            assert await copies.asked(here.dev, 30) == {place: 30}
            await ends[place].aclose()
            await left(here, 3 - number)


async def test_of_two_that_are_equally_near_one_that_fails_loses_its_share(meet: Meet, copies: Copies) -> None:
    """The other one has nearly all calls, though it takes longer to answer than that one to fail."""
    async with AsyncExitStack() as house:
        here, _ = await opened(meet, copies, house, "zone", "beside")
        for ill, well, code in (("zone", "beside", "INTERNAL"), ("beside", "zone", "UNAVAILABLE")):
            copies.tries.clear()
            copies.fails = {ill: code}
            await copies.asked(here.dev, 60)
            assert 0 < copies.tries[ill] < 20
            assert copies.tries[well] > 40


async def test_a_near_copy_that_refuses_for_want_of_room_loses_its_share_and_gets_it_back(
    meet: Meet, copies: Copies
) -> None:
    """Most of its calls go to the next nearest; once it answers again, they come back little by little."""
    async with AsyncExitStack() as house:
        here, _ = await opened(meet, copies, house, "far", "region", "zone")
        copies.fails["zone"] = "RESOURCE_EXHAUSTED"
        answers = await copies.asked(here.dev, 200)
        assert answers["region"] > 100
        assert answers["NOT_NOW"] < 100
        assert set(answers) == {"region", "NOT_NOW"}
        copies.fails.clear()
        async with asyncio.timeout(2 * PATIENCE):
            while (await copies.asked(here.dev, 20))["zone"] < 18:
                pass
