"""How a node joins its mesh, and leaves it: its lease, its agents' names, and the registrar."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_node.mesh.announcing import announced
from a2a_node.mesh.drains import Drains
from a2a_node.mesh.leaving import Leaving
from a2a_node.mesh.membership import Duties, Membership, Rhythm, membership
from a2a_node.mesh.registrar import Registrar
from a2a_node.node.itself import DEVELOPER
from a2a_node.node.rooms import Rooms


@dataclass(frozen=True, slots=True)
class Joined:
    """What a node is in its mesh."""

    member: Membership
    leaving: Leaving
    registrar: Registrar


@asynccontextmanager
async def joining(rooms: Rooms) -> AsyncIterator[Joined]:
    """Be a node of the mesh until the block ends; StoreUnavailable when it cannot be told."""
    registry, directory, carriers = rooms.kept.registry, rooms.knowledge.directory, rooms.carriers
    draining, lease = rooms.underway.draining, rooms.settings.lease

    async def announce() -> None:
        await directory.reached(await announced(registry, rooms.name, rooms.agents, str(DEVELOPER)))
        await carriers.reannounce()

    duties = Duties(announce, draining.begin, carriers.peers.answers, carriers.departed)
    async with membership(registry, directory, rooms.itself.row, duties, Rhythm(lease, lease / 3)) as member:
        await announce()
        leaving = Leaving(member, directory, draining, (carriers.attached, rooms.underway.arrivals))
        drains = Drains(rooms.name, leaving.here, directory, (registry, carriers.peers))
        yield Joined(member, leaving, Registrar(registry, directory, rooms.name, drains.drain))
