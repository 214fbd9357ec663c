"""A link between two nodes breaks while both live: what was under way goes on, and nobody is taken for lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from a2a_node.agent import Agent
from a2a_node.model.errors import AgentLost
from tests.ample import AMPLE
from tests.chaos.doors import Door, Porter, open_door
from tests.integration.peer_agents import PATIENCE, by_stream, known
from tests.integration.people import Meet, Meeting, meet
from tests.ports import free_port

__all__ = ["meet"]
HALF = 5  # events of a stream that are said before the link breaks, and afterwards


class Work:
    """An agent that says half of what it has to say, and the rest once it is told to go on."""

    def __init__(self) -> None:
        self.goes_on, self.begun = asyncio.Event(), asyncio.Event()
        self.agent = Agent("far")

        @self.agent.capability(limit=AMPLE)
        async def count() -> AsyncIterator[dict[str, int]]:
            for number in range(2 * HALF):
                if number == HALF:
                    self.begun.set()
                    await self.goes_on.wait()
                yield {"number": number}

        @self.agent.capability(limit=AMPLE)
        async def wait() -> dict[str, str]:
            self.begun.set()
            await self.goes_on.wait()
            return {}


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are dialled again however short they were, and waited for as long as a busy machine needs."""
    monkeypatch.setattr("a2a_node.mesh.peers.STEADY", 0.0)
    monkeypatch.setattr("a2a_node.mesh.peers.BRIDGE", PATIENCE)


@asynccontextmanager
async def behind_a_door(meet: Meet, work: Work) -> AsyncIterator[tuple[Meeting, Door]]:
    """A node, and the door through which it reaches the one of the agent."""
    port = free_port()
    here = ("127.0.40.2", port)
    async with (
        open_door(here, ("127.0.0.1", port), lambda _: "", Porter()) as door,
        meet("one", echo=False) as one,
        meet("two", peer_port=port, advertise_host=here[0]) as two,
        by_stream(work.agent, two),
    ):
        await known(one, "far")
        yield one, door


@pytest.mark.usefixtures("eager")
async def test_a_stream_goes_on_when_its_link_breaks(meet: Meet) -> None:
    """From the agent's node, with everything once and in order."""
    work = Work()
    async with asyncio.timeout(PATIENCE), behind_a_door(meet, work) as (one, door):
        heard = []
        async for said in one.dev.stream("far", "count", {}):
            heard.append(said)
            if len(heard) == HALF:
                await work.begun.wait()
                assert door.cut() == 1
                work.goes_on.set()
        assert heard == [{"number": number} for number in range(2 * HALF)]


@pytest.mark.usefixtures("eager")
async def test_a_call_that_was_on_a_broken_link_is_lost_and_the_next_one_is_answered(meet: Meet) -> None:
    """A call without a key is not begun again; its instance is not taken out."""
    work = Work()
    async with asyncio.timeout(PATIENCE), behind_a_door(meet, work) as (one, door):
        for _ in range(3):
            work.begun.clear()
            work.goes_on.clear()
            lost = asyncio.create_task(one.dev.call("far", "wait", {}))
            await work.begun.wait()
            assert door.cut() == 1
            with pytest.raises(AgentLost):
                await lost
            work.goes_on.set()
            assert await one.dev.call("far", "wait", {}) == {}
