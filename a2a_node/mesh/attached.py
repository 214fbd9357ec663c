"""The carrier to attached agents: those that have no port of their own and dialled this node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Protocol, Self

from a2a_node.mesh.attach_stream import AttachStream, Rules, Write
from a2a_node.mesh.background import background
from a2a_node.mesh.departures import Departures
from a2a_node.mesh.guest import Guest, guest_of
from a2a_node.mesh.lingering import Lingering
from a2a_node.mesh.route import Finds
from a2a_node.model.agents import Instance
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentOwned, NodeDraining, NoInstance, TooManySubscribers
from a2a_node.model.registry_ports import Registry
from a2a_node.wire.awake import Awake
from a2a_node.wire.payloads import from_mapping
from a2amesh.v1 import agent_host_service_pb2 as pb

DEFAULT = Rules()


class Knows(Finds, Protocol):
    """The directory, as far as it is needed here."""

    async def reached(self, revision: int) -> None:
        """Wait until what was written as that revision can be read; StoreUnavailable."""


class Attached:
    """Knows the streams of attached agents by their instances; made by `carrying`."""

    def __init__(
        self,
        node_id: str,
        registry: Registry,
        directory: Knows,
        rules: Rules,
        senses: tuple[Awake, Lingering],
    ) -> None:
        self._node_id = node_id
        self._registry = registry
        self._directory = directory
        self._rules = rules
        self._senses = senses
        self._departures = Departures(registry)
        self._streams: dict[str, AttachStream] = {}  # those that may be called, and those that will be
        self._dialled = 0
        self._left = asyncio.Event()  # since somebody asked for it last
        self._draining = False

    @classmethod
    @asynccontextmanager
    async def carrying(
        cls,
        node_id: str,
        registry: Registry,
        directory: Knows,
        rules: Rules = DEFAULT,
        lingering: Lingering | None = None,
    ) -> AsyncIterator[Self]:
        """Carry calls until the block ends; `lingering` hears of work that outlives its call."""
        async with Awake.watching() as awake:
            senses = (awake, Lingering() if lingering is None else lingering)
            attached = cls(node_id, registry, directory, rules, senses)
            async with background(attached._departures.tell):
                yield attached

    def reaches(self, instance: Instance) -> bool:
        """Whether its agent is attached here and takes calls."""
        stream = self._streams.get(instance.id)
        return stream is not None and stream.open

    def load(self) -> int:
        """How many calls all attached agents have, those that wait for their turn included."""
        return sum(stream.in_flight for stream in self._streams.values())

    def occupancy(self) -> float:
        """Of the agent that is closest to its bound: how much of it is used; above 1 while calls wait there."""
        return max((stream.occupancy for stream in self._streams.values()), default=0.0)

    def __len__(self) -> int:
        return self._dialled

    async def carry(self, call: Call, instance: Instance) -> None:
        """Take the call there; NoInstance when it is not attached any more, AgentLost when it is lost on the way."""
        stream = self._streams.get(instance.id)
        if stream is None or not stream.open:
            raise NoInstance(instance.agent)
        stream.configure(self._config_of(instance.agent))
        await stream.carry(call)

    async def serve(
        self, hello: pb.AttachHello, owner: str, requests: AsyncIterator[pb.AttachRequest], write: Write
    ) -> None:
        """Register an agent that has dialled and carry calls to it until it leaves or is lost.

        AgentOwned, InvalidInput, NodeDraining, StoreUnavailable and TooManySubscribers refuse it.
        """
        self._check_room()
        guest = guest_of(hello, owner, self._node_id, self._rules.payload_limit)
        stream = self._streams[guest.instance.id] = AttachStream(guest, self._rules, self._gone, *self._senses)
        self._dialled += 1
        try:
            _, revision = await self._registry.register(guest.agent, owner, guest.instance)
            await self._directory.reached(revision)
            config = self._config_of(guest.agent.name)
            stream.begin(config)
            # Not among the other frames: gRPC cannot end a stream with a status while it writes the first message.
            await write(self._welcome(guest, config))
            if self._draining:
                stream.drain()
            await stream.run(requests, write)
        finally:
            stream.lose()
            self._dialled -= 1

    def drain(self) -> None:
        """Take no more agents, and tell those attached that this node is about to stop."""
        self._draining = True
        for stream in self._streams.values():
            if stream.open:
                stream.drain()

    async def departed(self) -> None:
        """Wait until the registry knows of all that are not attached any more."""
        await self._departures.told()

    async def moved(self) -> None:
        """Wait until all that attach elsewhere when this node drains have done so."""
        while any(stream.open and stream.guest.moves for stream in self._streams.values()):
            self._left.clear()
            await self._left.wait()

    async def reannounce(self) -> None:
        """Register again all that is attached, after the registry has forgotten it; StoreUnavailable."""
        for stream in [known for known in self._streams.values() if known.open]:
            guest = stream.guest
            try:
                await self._registry.register(guest.agent, guest.owner, guest.instance)
            except AgentOwned as failure:  # somebody else took the name meanwhile
                stream.evict(failure)
            if not stream.open:  # it has left meanwhile, perhaps before it was registered
                self._departures.add(guest.instance.id)

    def _check_room(self) -> None:
        if self._draining:
            raise NodeDraining(self._node_id)
        if self._dialled >= self._rules.streams:
            raise TooManySubscribers("Attach", self._rules.streams)

    def _gone(self, instance_id: str) -> None:
        del self._streams[instance_id]
        self._left.set()
        self._departures.add(instance_id)

    def _config_of(self, agent: str) -> Mapping[str, object]:
        return self._directory.find(agent).agent.descriptor.config

    def _welcome(self, guest: Guest, config: Mapping[str, object]) -> pb.AttachResponse:
        return pb.AttachResponse(
            welcome=pb.AttachWelcome(
                instance_id=guest.instance.id,
                node_id=self._node_id,
                output_credit=self._rules.output_credit,
                payload_limit=self._rules.payload_limit,
                agent_config=from_mapping(config),
            )
        )
