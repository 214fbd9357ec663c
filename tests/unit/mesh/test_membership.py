"""A node is in the mesh as long as it lives, and says so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime

import pytest
from structlog.testing import capture_logs

from a2a_node.mesh.directory import Directory
from a2a_node.mesh.membership import Duties, Membership, Rhythm, membership
from a2a_node.model.errors import NodeNotFound, StoreUnavailable
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.testing import Clock, MemoryRegistry
from tests.unit.mesh.samples import HERE, OWNER, QUICK, THERE, agent, attached, endpoint

ME = Node(HERE, "127.0.0.1:50051")
RHYTHM = Rhythm(lease=15, renewal=0.001, farewell=0.05)
PATIENCE = 5.0


class Watched(MemoryRegistry):
    """A registry that tells how often leases were renewed and swept."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.tried = asyncio.Condition()
        self.tries = self.sweeps = 0

    async def renew_node(self, node_id: str, lease: float, started_at: datetime | None = None) -> bool:
        """Renew, and tell."""
        async with self.tried:
            self.tries += 1
            self.tried.notify_all()
        return await super().renew_node(node_id, lease, started_at)

    async def sweep(self) -> int:
        """Sweep, and count."""
        self.sweeps += 1
        return await super().sweep()

    async def rounds(self, number: int) -> None:
        """Wait for that many more tries to renew, each begun and the one before ended."""
        until = self.tries + number + 1
        async with asyncio.timeout(PATIENCE), self.tried:
            await self.tried.wait_for(lambda: self.tries >= until)


@dataclass
class House:
    """A member of a mesh, its registry, and what it was told to do."""

    registry: Watched
    clock: Clock
    directory: Directory
    announced: int = 0
    departed: int = 0
    away_while_announcing: bool = False
    drained: list[float | None] = field(default_factory=list)
    told: asyncio.Event = field(default_factory=asyncio.Event)
    asked: list[str] = field(default_factory=list)
    living: set[str] = field(default_factory=set)

    async def reannounce(self) -> None:
        """Register what the node holds."""
        if self.away_while_announcing:
            self.away_while_announcing = False
            raise StoreUnavailable("postgres")
        await self.registry.register(agent("a"), OWNER, attached("a"))
        self.announced += 1

    def drain(self, seconds: float | None) -> None:
        """Take no new work."""
        self.drained.append(seconds)
        self.told.set()

    async def answers(self, node_id: str) -> bool:
        """Whether another node lives."""
        self.asked.append(node_id)
        return node_id in self.living

    async def depart(self) -> None:
        """Wait until nothing of what the node held is left."""
        self.departed += 1

    def member(self) -> AbstractAsyncContextManager[Membership]:
        """Join the mesh."""
        duties = Duties(self.reannounce, self.drain, self.answers, self.depart)
        return membership(self.registry, self.directory, ME, duties, RHYTHM)


@asynccontextmanager
async def housed() -> AsyncIterator[House]:
    """A mesh without members yet."""
    clock = Clock()
    registry = Watched(clock)
    async with Directory.following(registry, QUICK) as directory:
        yield House(registry, clock, directory)


async def test_a_node_joins_is_seen_and_leaves() -> None:
    """It is in its own directory when the block begins, and gone after it."""
    async with housed() as house:
        async with house.member():
            assert house.directory.node(HERE).status is NodeStatus.ALIVE
        await house.directory.refreshed()
        assert house.directory.node(HERE).status is NodeStatus.GONE


async def test_the_lease_is_kept_however_long_it_takes() -> None:
    """Time passes in steps shorter than the lease; nobody else suspects the node."""
    async with housed() as house, house.member():
        for _ in range(5):
            house.clock.advance(10)
            await house.registry.rounds(1)
        await house.directory.refreshed()
        assert house.directory.node(HERE).status is NodeStatus.ALIVE
        assert house.announced == 0


async def test_in_a_large_mesh_few_nodes_look_after_the_others() -> None:
    """A thousand that sweep and probe at once would be a herd: one in a hundred does, in each round."""
    async with housed() as house:
        for number in range(1000):
            await house.registry.join(Node(f"n{number}", "127.0.0.1:1"), 1e6)
        await house.directory.refreshed()
        async with house.member():
            await house.registry.rounds(100)
        assert house.registry.sweeps < 30


async def test_leases_of_others_that_are_over_are_swept() -> None:
    """An endpoint that was not renewed leaves the directory."""
    async with housed() as house, house.member():
        await house.registry.register(agent("a"), OWNER, endpoint("a"), 5)
        await house.directory.refreshed()
        house.clock.advance(6)
        await house.registry.rounds(1)
        await house.directory.refreshed()
        assert house.directory.find("a").instances == ()


async def test_a_node_that_was_given_up_joins_again_and_announces_what_it_holds() -> None:
    """Its attached agents are back."""
    async with housed() as house, house.member():
        await house.registry.leave(HERE)
        await house.registry.rounds(2)
        await house.directory.refreshed()
        assert house.directory.node(HERE).status is NodeStatus.ALIVE
        assert [instance.node for instance in house.directory.find("a").instances] == [HERE]
        assert house.announced == 1


async def test_a_process_whose_place_another_has_taken_drains_and_touches_nothing() -> None:
    """The newest one of an id is the node: its row, its lease and its instances are its own."""
    async with housed() as house:
        async with house.member():
            house.clock.advance(1)
            newer = await house.registry.join(replace(ME, address="127.0.0.1:2"), 15)
            await house.registry.register(agent("b"), OWNER, attached("b"))
            async with asyncio.timeout(PATIENCE):
                await house.told.wait()
            assert (house.drained, house.announced) == ([None], 0)
        await house.directory.refreshed()
        assert newer is not None
        there = house.directory.node(HERE)
        assert (there.address, there.status, there.started_at) == ("127.0.0.1:2", NodeStatus.ALIVE, newer.started_at)
        assert [instance.node for instance in house.directory.find("b").instances] == [HERE]
        assert house.departed == 1


async def test_an_announcement_that_failed_is_made_again() -> None:
    """Joining alone is not enough."""
    async with housed() as house, house.member():
        house.away_while_announcing = True
        await house.registry.leave(HERE)
        await house.registry.rounds(3)
        assert house.announced == 1


async def test_an_outage_is_said_once_and_survived() -> None:
    """And its end is said once."""
    async with housed() as house, house.member():
        with capture_logs() as logs:
            house.registry.lose()
            await house.registry.rounds(3)
            house.registry.recover()
            await house.registry.rounds(2)
        said = [entry["event"] for entry in logs if "lease" in entry["event"]]
        assert said == ["the lease cannot be renewed: the registry is away", "the lease is renewed again"]


async def test_a_node_that_drains_itself_is_told_its_timeout() -> None:
    """The whole mesh sees it draining."""
    async with housed() as house, house.member() as member:
        await member.drain(3.0)
        async with asyncio.timeout(PATIENCE):
            await house.told.wait()
        assert house.directory.node(HERE).status is NodeStatus.DRAINING
        assert house.drained == [3.0]


async def test_a_node_that_another_one_drains_obeys_once() -> None:
    """It has the registry's word for it, and its own setting for the time."""
    async with housed() as house, house.member():
        for _ in range(2):
            await house.registry.set_status(HERE, NodeStatus.DRAINING)
        async with asyncio.timeout(PATIENCE):
            await house.told.wait()
        await house.registry.rounds(2)
        assert house.drained == [None]


async def test_a_draining_node_that_joins_again_still_drains() -> None:
    """Nobody sends it new work because its lease was lost."""
    async with housed() as house, house.member() as member:
        await member.drain(None)
        async with asyncio.timeout(PATIENCE):
            await house.told.wait()
        await house.registry.leave(HERE)
        await house.registry.rounds(2)
        await house.directory.refreshed()
        assert house.directory.node(HERE).status is NodeStatus.DRAINING


async def test_a_node_leaves_though_the_registry_is_away() -> None:
    """Without an error and without waiting."""
    async with housed() as house:
        async with house.member():
            house.registry.lose()
        house.registry.recover()


async def test_a_node_that_cannot_join_does_not_begin() -> None:
    """Nor does it leave what it never joined."""
    async with housed() as house:
        house.registry.lose()
        with pytest.raises(StoreUnavailable):
            async with house.member():
                pass
        house.registry.recover()
        with pytest.raises(NodeNotFound):
            house.directory.node(HERE)


async def test_a_node_that_missed_its_lease_is_asked_before_it_is_gone() -> None:
    """As long as it answers it is only in doubt; when it no longer does, it is gone with what it held."""
    async with housed() as house:
        await house.registry.join(Node(THERE, "127.0.0.1:1"), 15)
        await house.registry.register(agent("a"), OWNER, attached("a", THERE))
        house.living.add(THERE)
        async with house.member():
            for _ in range(2):
                house.clock.advance(10)
                await house.registry.rounds(3)
            await house.directory.refreshed()
            assert house.directory.node(THERE).status is NodeStatus.SUSPECT
            assert set(house.asked) <= {THERE}
            house.living.clear()
            async with asyncio.timeout(PATIENCE):
                while house.directory.node(THERE).status is not NodeStatus.GONE:
                    await house.directory.changed()
            assert house.directory.find("a").instances == ()


async def test_a_node_is_not_given_up_while_the_store_is_away() -> None:
    """Nobody knows whether its lease is over; it is asked again later."""
    async with housed() as house:
        await house.registry.join(Node(THERE, "127.0.0.1:1"), 15)
        async with house.member():
            for _ in range(2):
                house.clock.advance(10)
                await house.registry.rounds(1)
            await house.directory.refreshed()
            house.registry.lose()
            await house.registry.rounds(3)
            house.registry.recover()
            async with asyncio.timeout(PATIENCE):
                while house.directory.node(THERE).status is not NodeStatus.GONE:
                    await house.directory.changed()
