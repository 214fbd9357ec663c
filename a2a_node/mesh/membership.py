"""Membership: this node is in the mesh from the beginning of a block to its end, and keeps its lease meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace

import structlog

from a2a_node.mesh.background import background
from a2a_node.mesh.directory import Directory
from a2a_node.model.errors import NodeNotFound, StoreUnavailable
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.registry_ports import Registry

log = structlog.get_logger()
DOUBTFUL = (NodeStatus.SUSPECT, NodeStatus.DRAINING)
PROBES = 8  # nodes that are asked in one look
CARETAKERS = 8  # nodes, on average, that look after others in one round: all of them would be a herd


@dataclass(frozen=True, slots=True)
class Duties:
    """What the node does when the mesh says so."""

    reannounce: Callable[[], Awaitable[None]]
    """Register again what is hosted and attached, after the lease was lost; StoreUnavailable is tried again."""
    drain: Callable[[float | None], None]
    """Take no new work; running calls get that many seconds, or the node's own setting."""
    answers: Callable[[str], Awaitable[bool]]
    """Whether another node answers when it is asked directly."""
    departed: Callable[[], Awaitable[None]]
    """Wait until the registry knows of all attached instances that have gone."""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How a node keeps its lease; spans in seconds."""

    lease: float = 15.0
    renewal: float = 5.0
    farewell: float = 2.0  # for leaving, at most


DEFAULT = Rhythm()


@dataclass(slots=True)
class Renewals:
    """How the node's lease fared since it started."""

    kept: int = 0
    failed: int = 0  # the registry was away
    lost: int = 0  # it had ended before it was renewed, and the node joined again
    given_up: int = 0  # other nodes that missed theirs and did not answer


@asynccontextmanager
async def membership(
    registry: Registry, directory: Directory, node: Node, duties: Duties, rhythm: Rhythm = DEFAULT
) -> AsyncIterator[Membership]:
    """Join, keep the lease until the block ends, then leave; StoreUnavailable when the node cannot join."""
    member = Membership(registry, directory, node, duties, rhythm)
    await member.join()
    try:
        async with background(member.keep, member.obey, member.look):
            yield member
    finally:
        await member.leave()


class Membership:
    """The node's place in the mesh; made by `membership`."""

    def __init__(
        self, registry: Registry, directory: Directory, node: Node, duties: Duties, rhythm: Rhythm = DEFAULT
    ) -> None:
        self._registry = registry
        self._directory = directory
        self._node = node
        self._duties = duties
        self._rhythm = rhythm
        self.renewals = Renewals()
        self._announced = True
        self._drains = False
        self._replaced = False  # by another process of the same id, which is the node now
        self._away = False

    @property
    def node_id(self) -> str:
        """The node's id."""
        return self._node.id

    async def drain(self, seconds: float | None) -> None:
        """Take no new work, and tell the mesh if it hears; running calls get that many seconds, or the setting."""
        if self._drains and seconds is None:
            return
        self._begin_to_drain(seconds)
        with suppress(StoreUnavailable):  # it is told with the next renewal
            await self.tell_draining()

    async def tell_draining(self) -> None:
        """Tell the mesh that this node takes no new work; StoreUnavailable."""
        self._begin_to_drain(None)
        if self._replaced:
            return
        with suppress(NodeNotFound):  # the lease was lost: it joins again, draining
            await self._directory.reached(await self._registry.set_status(self._node.id, NodeStatus.DRAINING))

    async def join(self) -> None:
        """Enter or re-enter the mesh, and see that it is so; drain where another process has taken the place."""
        entered = await self._registry.join(self._node, self._rhythm.lease)
        if entered is None:
            self._replaced = True
            log.error("another process has joined as this node, which stops", node=self._node.id)
            self._begin_to_drain(None)
            return
        self._node = replace(self._node, started_at=entered.started_at)
        await self._directory.reached(entered.revision)

    async def keep(self) -> None:
        """Keep the lease, and tidy up after those of others that are over, as long as this is the node."""
        while not self._replaced:
            await asyncio.sleep(self._rhythm.renewal)
            with self._patient():
                await self._renew()
                if self._takes_care():
                    await self._registry.sweep()

    async def obey(self) -> None:
        """Drain once the mesh says that this node drains, whoever said so."""
        while not self._told_to_drain():
            await self._directory.changed()
        self._begin_to_drain(None)

    async def look(self) -> None:
        """Ask the nodes that missed their lease whether they live, and give up those that do not answer, for ever."""
        while True:
            await asyncio.sleep(self._rhythm.renewal)
            others = [node for node in self._directory.nodes() if node.id != self._node.id]
            silent = [node.id for node in others if node.status in DOUBTFUL] if self._takes_care() else []
            for node_id in silent[:PROBES]:
                if not await self._duties.answers(node_id):
                    await self._give_up(node_id)

    async def leave(self) -> None:
        """Leave the mesh; when the store is away, the lease ends by itself."""
        try:
            async with asyncio.timeout(self._rhythm.farewell):
                await (self._duties.departed() if self._replaced else self._left())
        except (StoreUnavailable, TimeoutError):
            log.warning("left without a word: the registry is away", node=self._node.id)

    async def _left(self) -> None:
        await self._registry.leave(self._node.id, self._node.started_at)

    async def _renew(self) -> None:
        if not await self._registry.renew_node(self._node.id, self._rhythm.lease, self._node.started_at):
            self._announced = False
            self.renewals.lost += 1
            await self.join()
            if self._replaced:
                return
            log.warning("joined again: the lease was lost", node=self._node.id)
        if not self._announced:
            await self._duties.reannounce()
            self._announced = True
        if self._drains and not self._told_to_drain():
            await self.tell_draining()
        self.renewals.kept += 1

    def _begin_to_drain(self, seconds: float | None) -> None:
        if not self._drains or seconds is not None:
            self._duties.drain(seconds)
        self._drains, self._node = True, replace(self._node, status=NodeStatus.DRAINING)

    async def _give_up(self, node_id: str) -> None:
        """Tell the mesh that a node is gone; somebody else may, or the store may be away, which is told elsewhere."""
        with suppress(StoreUnavailable):
            if await self._registry.give_up(node_id):
                self.renewals.given_up += 1
                log.warning("node is gone: it missed its lease and does not answer", node=node_id)

    def _takes_care(self) -> bool:
        """Whether this node looks after others in this round: each does in a small mesh, a few do in a large one."""
        return random.random() * len(self._directory.nodes()) < CARETAKERS  # noqa: S311 - it keeps no secret

    def _told_to_drain(self) -> bool:
        with suppress(NodeNotFound):
            return self._directory.node(self._node.id).status is NodeStatus.DRAINING
        return False

    @contextmanager
    def _patient(self) -> Iterator[None]:
        """Say once that the store is away, and once that it is back."""
        try:
            yield
        except StoreUnavailable:
            self.renewals.failed += 1
            if not self._away:
                log.warning("the lease cannot be renewed: the registry is away", node=self._node.id)
            self._away = True
        else:
            if self._away:
                log.info("the lease is renewed again", node=self._node.id)
            self._away = False
