"""What takes a call to an instance, by the kind of instance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_node.agent import Agent
from a2a_node.mesh.attach_stream import Rules
from a2a_node.mesh.attached import Attached
from a2a_node.mesh.directory import Directory
from a2a_node.mesh.endpoint import Endpoints
from a2a_node.mesh.hosted import Hosted
from a2a_node.mesh.hosting import Hosting
from a2a_node.mesh.inside import Inside
from a2a_node.mesh.lines import Bounds
from a2a_node.mesh.lingering import Lingering
from a2a_node.mesh.link import DEFAULT as LINKS
from a2a_node.mesh.link import Rules as LinkRules
from a2a_node.mesh.peers import Peers, Proof
from a2a_node.model.agents import InstanceKind
from a2a_node.model.call_ports import Carrier
from a2a_node.node.stores import Stores
from a2a_node.settings import Settings

ABSENCE = 0.6  # of a lease, so that streams are gone on with before their lease is over
SILENCE = 2 / 3  # of a lease at most, and again once it is asked: calls to a node that stands still end within two
LEAST = 1.0  # seconds, however short the lease: a busy machine keeps a node from its loop for half a second


@dataclass(frozen=True, slots=True)
class Carriers:
    """What takes a call to an instance."""

    hosted: Hosted
    hosting: Hosting
    attached: Attached
    endpoints: Endpoints
    peers: Peers
    lingering: Lingering

    def by_kind(self) -> Mapping[InstanceKind, Carrier]:
        """The carrier of each kind of instance."""
        return {
            InstanceKind.HOSTED: self.hosted,
            InstanceKind.ATTACHED: self.attached,
            InstanceKind.ENDPOINT: self.endpoints,
        }

    async def reannounce(self) -> None:
        """Register again all that came while the node ran, after the registry has forgotten it; StoreUnavailable."""
        await self.hosting.reannounce()
        await self.attached.reannounce()

    async def departed(self) -> None:
        """Wait until the registry knows of all that has left."""
        await self.hosting.departed()
        await self.attached.departed()


def link_rules(settings: Settings) -> LinkRules:
    """How links are kept, in both directions."""
    silence = min(LINKS.silence, max(LEAST, SILENCE * settings.lease))
    return LinkRules(settings.payload_limit, silence=silence, absence=ABSENCE * settings.lease)


@asynccontextmanager
async def carrying(
    settings: Settings,
    whose: tuple[str, str],
    agents: Mapping[str, Agent],
    rooms: tuple[Stores, Directory, Inside, Proof],
) -> AsyncIterator[Carriers]:
    """Whatever takes a call to an instance, by the kind of instance. `whose`: the node's id, who owns what it hosts."""
    stores, directory, inside, proof = rooms
    lingering = Lingering()

    def config_of(agent: str) -> Mapping[str, object]:
        return directory.find(agent).agent.descriptor.config

    hosted = Hosted(agents, inside, config_of=config_of, lingering=lingering)
    bounds, rules = Bounds(settings.payload_limit), Rules(settings.payload_limit)
    with hosted.watching(asyncio.get_running_loop()):
        async with (
            Endpoints.reaching(directory.serves, bounds, lingering=lingering) as endpoints,
            Attached.carrying(whose[0], stores.registry, directory, rules, lingering) as attached,
            Hosting.keeping(hosted, stores.registry, directory, whose) as hosting,
            Peers.reaching(directory, proof, link_rules(settings)) as peers,
        ):
            yield Carriers(hosted, hosting, attached, endpoints, peers, lingering)
