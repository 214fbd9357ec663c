"""An endpoint's place in the registry: taken, kept by a lease, taken anew when it was lost, and given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import structlog

from a2a_node.client.mesh import MeshClient
from a2a_node.model.agents import AgentDescriptor
from a2a_node.model.errors import InstanceNotFound, LeaseEnded, MeshError

log = structlog.get_logger()
LEASE = 15.0  # seconds
AGAIN = 1.0  # seconds, at most, after a renewal that failed


@asynccontextmanager
async def registered(
    agent: AgentDescriptor, mesh: MeshClient, address: str, lease: float = LEASE
) -> AsyncIterator[None]:
    """Keep an agent registered until the block ends that a server of one's own serves at `address`.

    Whatever gRPC services that server has are reached through every node. Any MeshError of the first registration;
    later ones are logged and tried again, a lost lease is taken anew.
    """
    place = _Place(mesh, agent, address, lease)
    await place.take()
    keeping = asyncio.create_task(place.keep())
    try:
        yield
    finally:
        keeping.cancel()
        await place.leave()


class _Place:
    """One instance's."""

    def __init__(self, mesh: MeshClient, agent: AgentDescriptor, address: str, lease: float) -> None:
        self._mesh, self._agent, self._address, self._lease = mesh, agent, address, lease
        self._instance = ""

    async def take(self) -> None:
        """Register."""
        _, instance = await self._mesh.agents.register(self._agent, self._address, self._lease)
        self._instance = instance.id

    async def keep(self) -> None:
        """Renew three times a lease, for ever; a place that was lost is taken anew."""
        pause = self._lease / 3
        while True:
            await asyncio.sleep(pause)
            pause = self._lease / 3
            try:
                await self._renew()
            except MeshError as error:
                pause = min(pause, AGAIN)
                log.warning("lease not renewed", agent=self._agent.name, reason=error.reason, message=error.message)

    async def leave(self) -> None:
        """Give the place up; with no node to tell, the lease ends by itself."""
        with suppress(MeshError):
            await self._mesh.agents.deregister(instance_id=self._instance)

    async def _renew(self) -> None:
        try:
            await self._mesh.agents.renew(self._instance)
        except (LeaseEnded, InstanceNotFound):
            await self.take()
