"""A link between two nodes breaks while both live: what was under way goes on, and nobody is taken for lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count

import pytest

from a2a_node.agent import Agent
from a2a_node.mesh.link import Link
from a2a_node.model.errors import AgentLost
from tests.ample import AMPLE
from tests.chaos.doors import Door, Porter, open_door
from tests.integration.peer_agents import PATIENCE, by_stream, known
from tests.integration.people import Meet, Meeting, meet
from tests.ports import free_port

__all__ = ["meet"]
HALF = 5  # events of a stream that are said before the link breaks, and afterwards
LEASE = 60.0  # seconds: nobody who waits for its end passes
ALL = [{"number": number} for number in range(2 * HALF)]
FIRST = "first"  # what the first connection through a door is known as


class Work:
    """An agent that says half of what it has to say, and the rest once it is told to go on."""

    def __init__(self) -> None:
        self.goes_on, self.begun = asyncio.Event(), asyncio.Event()
        self.times = 0  # that it has begun
        self.agent = Agent("far")

        @self.agent.capability(limit=AMPLE)
        async def count(first: int = HALF) -> AsyncIterator[dict[str, int]]:
            async for said in self._counted(first):
                yield said

        @self.agent.capability(limit=AMPLE, idempotent=True)
        async def recount(first: int) -> AsyncIterator[dict[str, int]]:
            async for said in self._counted(first):
                yield said

        @self.agent.capability(limit=AMPLE)
        async def wait() -> dict[str, int]:
            self.times += 1
            self.begun.set()
            await self.goes_on.wait()
            return {"times": self.times}

    async def _counted(self, first: int) -> AsyncIterator[dict[str, int]]:
        self.times += 1
        for number in range(2 * HALF):
            if number == first:
                self.begun.set()
                await self.goes_on.wait()
            yield {"number": number}


@pytest.fixture
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Links are dialled again however short they were, and waited for as long as a busy machine needs."""
    monkeypatch.setattr("a2a_node.mesh.peers.STEADY", 0.0)
    monkeypatch.setattr("a2a_node.mesh.peers.BRIDGE", PATIENCE)
    monkeypatch.setattr("a2a_node.mesh.peers.ASKED", PATIENCE)


async def counted(one: Meeting, first: int = HALF, name: str = "count", key: str = "") -> list[object]:
    """All that the agent says, which waits once before one of its numbers."""
    return [said async for said in one.dev.stream("far", name, {"first": first}, idempotency_key=key)]


@asynccontextmanager
async def behind_a_door(meet: Meet, work: Work) -> AsyncIterator[tuple[Meeting, Door]]:
    """A node, and the door through which it reaches the one of the agent."""
    port = free_port()
    here = ("127.0.40.2", port)
    came = count()
    async with (
        open_door(here, ("127.0.0.1", port), lambda _: "" if next(came) else FIRST, Porter()) as door,
        meet("one", echo=False, lease=LEASE) as one,
        meet("two", peer_port=port, advertise_host=here[0], lease=LEASE) as two,
        by_stream(work.agent, two),
    ):
        await known(one, "far")
        yield one, door


@pytest.mark.parametrize("bridge", [PATIENCE, 0.0], ids=["soon", "late"])
@pytest.mark.usefixtures("eager")
async def test_a_stream_goes_on_when_its_link_breaks(
    meet: Meet, monkeypatch: pytest.MonkeyPatch, bridge: float
) -> None:
    """From the agent's node, with everything once and in order; also where a call would wait for it no longer."""
    monkeypatch.setattr("a2a_node.mesh.peers.BRIDGE", bridge)
    work = Work()
    async with asyncio.timeout(PATIENCE), behind_a_door(meet, work) as (one, door):
        heard = []
        async for said in one.dev.stream("far", "count", {}):
            heard.append(said)
            if len(heard) == HALF:
                await work.begun.wait()
                assert door.cut() == 1
                work.goes_on.set()
        assert heard == ALL


@pytest.mark.usefixtures("eager")
async def test_a_stream_goes_on_at_a_node_that_cannot_be_asked_about_links(
    meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As those of older versions, whose links have no ids."""
    monkeypatch.setattr("a2a_node.mesh.arriving.fresh_uuid", str)
    work = Work()
    async with asyncio.timeout(PATIENCE), behind_a_door(meet, work) as (one, door):
        heard = asyncio.create_task(counted(one))
        await work.begun.wait()
        assert door.cut() == 1
        work.goes_on.set()
        assert (await heard, work.times) == (ALL, 1)


@pytest.mark.usefixtures("eager")
async def test_a_stream_goes_on_that_had_said_nothing_when_its_link_broke(meet: Meet) -> None:
    """It is begun once, and all of it is heard."""
    work = Work()
    async with asyncio.timeout(PATIENCE), behind_a_door(meet, work) as (one, door):
        heard = asyncio.create_task(counted(one, first=0))
        await work.begun.wait()
        assert door.cut() == 1
        work.goes_on.set()
        assert (await heard, work.times) == (ALL, 1)


@pytest.mark.parametrize("key", ["", "a-key"], ids=["without a key", "with a key"])
@pytest.mark.parametrize("late", [False, True], ids=["lost", "late"])
@pytest.mark.usefixtures("eager")
async def test_a_stream_whose_beginning_was_on_a_broken_link_is_begun_once(
    meet: Meet,
    late: bool,  # noqa: FBT001
    key: str,
) -> None:
    """At once, and not when a lease is over; also where its beginning comes after all."""
    work = Work()
    async with asyncio.timeout(PATIENCE), behind_a_door(meet, work) as (one, door):
        await counted(one, first=len(ALL))
        await door.bar(FIRST)
        heard = asyncio.create_task(counted(one, key=key))
        await door.holds.wait()
        assert door.cut() == 1
        await work.begun.wait()
        if late:
            await door.bar()
            await counted(one, first=len(ALL))
        work.goes_on.set()
        begun = 3 if late else 2
        assert (await heard, work.times) == (ALL, begun)
        if key:
            assert (await counted(one, key=key), work.times) == (ALL, begun)


@pytest.mark.usefixtures("eager")
async def test_a_stream_that_its_agents_node_does_not_go_on_with_ends_at_once(
    meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have done something, and is not begun again; one that may be is."""
    monkeypatch.setattr("a2a_node.mesh.heirs.Heirs.take", lambda *_: False)
    work = Work()
    async with asyncio.timeout(PATIENCE), behind_a_door(meet, work) as (one, door):
        heard = asyncio.create_task(counted(one, first=0))
        await work.begun.wait()
        assert door.cut() == 1
        with pytest.raises(AgentLost):
            await heard
        assert work.times == 1
        work.begun.clear()
        heard = asyncio.create_task(counted(one, first=0, name="recount"))
        await work.begun.wait()
        assert door.cut() == 1
        work.goes_on.set()
        assert (await heard, work.times) == (ALL, 3)


@pytest.mark.usefixtures("eager")
async def test_a_call_whose_beginning_was_on_a_broken_link_is_begun_on_the_next_one(meet: Meet) -> None:
    """Though it has no key, for nobody has begun to work on it."""
    work = Work()
    work.goes_on.set()
    async with asyncio.timeout(PATIENCE), behind_a_door(meet, work) as (one, door):
        assert await one.dev.call("far", "wait", {}) == {"times": 1}
        await door.bar(FIRST)
        answered = asyncio.create_task(one.dev.call("far", "wait", {}))
        await door.holds.wait()
        assert door.cut() == 1
        assert await answered == {"times": 2}


@pytest.mark.usefixtures("eager")
async def test_a_call_that_was_on_a_broken_link_is_lost_and_the_next_one_is_answered(meet: Meet) -> None:
    """A call without a key is not begun again; its instance is not taken out."""
    work = Work()
    async with asyncio.timeout(PATIENCE), behind_a_door(meet, work) as (one, door):
        for times in (1, 3, 5):
            work.begun.clear()
            work.goes_on.clear()
            lost = asyncio.create_task(one.dev.call("far", "wait", {}))
            await work.begun.wait()
            assert door.cut() == 1
            with pytest.raises(AgentLost):
                await lost
            work.goes_on.set()
            assert await one.dev.call("far", "wait", {}) == {"times": times + 1}


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link that breaks is dialled again, and late unless it is there in the same moment."""
    monkeypatch.setattr("a2a_node.mesh.peers.STEADY", 0.0)
    monkeypatch.setattr("a2a_node.mesh.peers.BRIDGE", 0.0)


@pytest.mark.usefixtures("late")
async def test_calls_that_nobody_else_takes_wait_for_a_node_that_is_late(
    meet: Meet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As they wait for one that is dialled for the first time."""
    waits, ready = asyncio.Event(), Link.ready

    async def waited(link: Link) -> None:
        waits.set()
        await ready(link)

    monkeypatch.setattr(Link, "ready", waited)
    work = Work()
    work.goes_on.set()
    async with asyncio.timeout(PATIENCE), behind_a_door(meet, work) as (one, door):
        assert await one.dev.call("far", "wait", {}) == {"times": 1}
        await door.bar("")
        waits.clear()
        assert door.cut() == 1
        await door.holds.wait()
        answered = asyncio.create_task(one.dev.call("far", "wait", {}))
        await waits.wait()
        await door.bar()
        assert await answered == {"times": 2}


@pytest.mark.usefixtures("late")
async def test_calls_go_elsewhere_while_a_node_is_late(meet: Meet, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, and not as another try."""
    near, far = Work(), Work()
    near.goes_on.set()
    far.goes_on.set()
    async with (
        asyncio.timeout(PATIENCE),
        behind_a_door(meet, far) as (one, door),
        meet("three", lease=LEASE) as three,
        by_stream(near.agent, three),
    ):
        while not (near.times and far.times):
            await one.dev.call("far", "wait", {})
        monkeypatch.setattr("a2a_node.mesh.retry.Savings.take", lambda *_: False)
        await door.bar("")
        assert door.cut() == 1
        await door.holds.wait()
        before = near.times, far.times
        for _ in range(20):
            await one.dev.call("far", "wait", {})
        assert (near.times, far.times) == (before[0] + 20, before[1])
