"""How a node that is told to stop leaves: agents and callers go elsewhere first, so that nothing is lost on the way."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

from a2a_node.mesh.arrivals import Arrivals
from a2a_node.mesh.attached import Attached
from a2a_node.mesh.background import background
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.drain import Draining
from a2a_node.mesh.membership import Membership
from a2a_node.model.agents import InstanceKind
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.nodes import NodeStatus, Progress

ENDPOINTS = 10.0  # seconds, at most, that endpoints get to renew their lease at another node: they do so every 5 s
PARTING = 10.0  # seconds, at most, that other nodes get to hear where agents have gone, and to bring no more calls


class Leaving:
    """What happens between the wish that a node stops and the closing of its doors."""

    def __init__(
        self, member: Membership, directory: Directory, draining: Draining, rooms: tuple[Attached, Arrivals]
    ) -> None:
        self._member = member
        self._directory = directory
        self._draining = draining
        self._attached, self._arrivals = rooms

    async def here(self, seconds: float | None, wait: float) -> Progress:
        """Begin, or go on, and tell how far it is, at the end or after a wait; both in seconds."""
        begins = seconds is not None or not self._draining.begun
        await self._member.drain(seconds)
        return replace(await self._draining.progress(wait), begun=begins)

    async def done(self) -> int:
        """Take no new calls and let those under way end, in the time that they get; how many did not."""
        self._draining.begin()
        async with background(self._told):  # beside: the registry may be away
            self._attached.drain()
            if elsewhere := self._elsewhere():
                await self._moved()
            await self._arrivals.drain(self._directory.revision, min(self._draining.left(), PARTING))
            self._draining.close()
            left = await self._draining.finished()
            if elsewhere:
                await self._draining.quiet()
        self._arrivals.part()
        return left

    async def _told(self) -> None:
        with suppress(StoreUnavailable):
            await self._member.tell_draining()

    def _elsewhere(self) -> bool:
        """Whether there is another node to go to."""
        others = [node for node in self._directory.nodes() if node.id != self._member.node_id]
        return any(node.status in (NodeStatus.ALIVE, NodeStatus.SUSPECT) for node in others)

    async def _moved(self) -> None:
        """Wait for the agents to go; other nodes' calls to them are taken meanwhile."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self._draining.left()):
                await self._attached.moved()
        with suppress(TimeoutError):
            async with asyncio.timeout(min(self._draining.left(), ENDPOINTS)):
                while self._endpoints():
                    await self._directory.changed()

    def _endpoints(self) -> bool:
        return any(one.kind is InstanceKind.ENDPOINT for one in self._directory.on_node(self._member.node_id))
