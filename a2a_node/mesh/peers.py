"""The carrier to other nodes: calls to agents that are reached there go over one link for each node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from dataclasses import dataclass
from time import monotonic
from typing import Protocol, Self, TypeVar
from weakref import WeakKeyDictionary

import structlog
from google.protobuf.message import DecodeError, Message

from a2a_node.client.connection import Rpc
from a2a_node.core.client import Channel, Failed, Status, Stream
from a2a_node.mesh.background import background
from a2a_node.mesh.breaker import Breaker
from a2a_node.mesh.broken import Told
from a2a_node.mesh.link import DEFAULT, Link, Rules, unbegun
from a2a_node.model.agents import Instance
from a2a_node.model.call import Call
from a2a_node.model.errors import AgentLost, MeshError, NodeDraining, NodeNotFound, NodeUnreachable, StoreUnavailable
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.wire.errors import DETAILS_KEY, from_status
from a2amesh.v1 import peer_service_pb2 as pb

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
SERVICE = pb.DESCRIPTOR.services_by_name["PeerService"].full_name
TIDY = 5.0  # seconds between looks for links that nobody needs
STEADY = 1.0  # seconds that a link has been open for another one to be dialled when it breaks
BRIDGE = 0.25  # seconds that calls wait for one that is dialled; then they go elsewhere, where there is somebody
ASKED = 1.0  # seconds that streams wait for what becomes of them, unless their node was silent
END = Rpc("PeerService/EndLink", pb.EndLinkRequest, pb.EndLinkResponse)
Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


class Knows(Protocol):
    """The directory, as far as it is needed here."""

    def node(self, node_id: str) -> Node:
        """A node; NodeNotFound."""

    async def reached(self, revision: int) -> None:
        """Wait until what was written as that revision can be read; StoreUnavailable."""


@dataclass(frozen=True, slots=True)
class Proof:
    """How other nodes know that this one is who it is, and that a call is as this node let it through."""

    sealed: Callable[[Call, str], bytes]
    """The envelope of a call, sealed for a node."""
    dial: Callable[[str, str], Channel]
    """A channel to a node, by its id, at an address."""


class Peers:
    """Takes calls to other nodes; made by `reaching`."""

    def __init__(self, directory: Knows, proof: Proof, rules: Rules) -> None:
        self._directory = directory
        self._proof = proof
        self._rules = rules
        self._links: dict[str, Link] = {}  # by the ids of the nodes
        self._breakers: dict[str, Breaker] = {}
        self._channels: dict[Link, Channel] = {}
        self._asked: WeakKeyDictionary[Link, asyncio.Task[Told | None]] = WeakKeyDictionary()
        self._tasks: set[asyncio.Task[object]] = set()
        self._closes = False

    @classmethod
    @asynccontextmanager
    async def reaching(cls, directory: Knows, proof: Proof, rules: Rules = DEFAULT) -> AsyncIterator[Self]:
        """Carry calls until the block ends."""
        peers = cls(directory, proof, rules)
        try:
            async with background(peers.tend):
                yield peers
        finally:
            await peers.close()

    def reaches(self, instance: Instance) -> bool:
        """Whether a call could begin now; not for a short while after its node did not answer."""
        link = self._links.get(instance.node)
        if link is not None and link.open:
            return not link.leaving
        return self._breaker(instance.node).allows(monotonic())

    def late(self, instance: Instance) -> bool:
        """Whether its node is being dialled, and has not answered as soon as nodes do."""
        link = self._links.get(instance.node)
        return link is not None and not link.open and monotonic() >= link.used_at + BRIDGE

    def load(self) -> int:
        """How many calls other nodes have from here."""
        return sum(link.in_flight for link in self._links.values())

    def __len__(self) -> int:
        return len(self._links)

    async def carry(self, call: Call, instance: Instance) -> None:
        """Take the call there; AgentLost when it is lost on the way.

        NodeUnreachable when the node does not answer, NodeDraining when it has asked for no more calls. A stream whose
        link broke is left to that node if it goes on with it, and what nobody has begun to work on has not begun.
        """
        link = self._link(instance.node)
        if not link.open:
            await link.ready()
        if link.leaving:
            raise NodeDraining(instance.node)
        try:
            await link.carry(call, instance, self._proof.sealed(call, instance.node))
        except AgentLost:
            if call.cut and (told := await self._told(link, BRIDGE if call.keeping is None else ASKED)) is not None:
                _learnt(call, told)
            raise
        finally:
            if call.cut and call.keeping is not None:
                call.keeping.leave()

    async def answers(self, node_id: str) -> bool:
        """Whether a node answers when it is asked directly."""
        try:
            await self._link(node_id).ready()
        except (NodeNotFound, NodeUnreachable):
            return False
        return True

    async def ask(self, node_id: str, rpc: Rpc[Q, R], request: Q) -> R:
        """One request to a node itself, one response, in short time; NodeUnreachable, or what the node refuses."""
        link = self._link(node_id)
        await link.ready()
        channel, patience = self._channels[link], self._rules.patience
        try:
            return rpc.response.FromString(await channel.ask(rpc.path, request.SerializeToString(), patience))
        except Failed as failure:
            raise named(failure.status, link.address) from None

    async def tend(self) -> None:
        """Close links that nobody needs, for ever."""
        while True:
            await asyncio.sleep(TIDY)
            latest = monotonic() - self._rules.idle
            for link in [*self._links.values()]:
                if not link.in_flight and (link.used_at <= latest or not self._there(link.node_id)):
                    link.lose()
            self._breakers = {name: known for name, known in self._breakers.items() if self._there(name)}

    async def close(self) -> None:
        """Close all links; calls over them fail."""
        self._closes = True
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _told(self, link: Link, patience: float) -> Told | None:
        """What becomes of the calls of a link that broke; None where its node does not say so in time."""
        if self._closes:
            return None
        asked = self._ask_about(link)
        await asyncio.wait([asked], timeout=patience)
        return asked.result() if asked.done() and not asked.cancelled() else None

    def _ask_about(self, link: Link) -> asyncio.Task[Told | None]:
        asked = self._asked.get(link)
        if asked is None:
            asked = self._asked[link] = asyncio.create_task(self._ended_there(link))
            self._tasks.add(asked)
            asked.add_done_callback(self._tasks.discard)
        return asked

    async def _ended_there(self, link: Link) -> Told | None:
        request = pb.EndLinkRequest(link_id=link.id, calls=link.cut_off)
        with suppress(TimeoutError, MeshError):
            async with asyncio.timeout(BRIDGE if link.silent else ASKED):
                if link.id:
                    answer = await self.ask(link.node_id, END, request)
                    return Told(frozenset(answer.unbegun), frozenset(answer.continued))
                if await self.answers(link.node_id):  # it cannot say more
                    return Told(continued=frozenset(link.cut_off))
        return None

    def _there(self, node_id: str) -> bool:
        try:
            return self._directory.node(node_id).status is not NodeStatus.GONE
        except NodeNotFound:
            return False

    def _breaker(self, node_id: str) -> Breaker:
        breaker = self._breakers.get(node_id)
        if breaker is None:
            breaker = self._breakers[node_id] = Breaker()
        return breaker

    def _link(self, node_id: str) -> Link:
        """The link to a node, dialled when there is none; NodeNotFound, NodeUnreachable once links are closed."""
        node = self._directory.node(node_id)
        address = node.peer_address or node.address
        if self._closes:
            raise NodeUnreachable(address)
        link = self._links.get(node_id)
        if link is None or link.over or link.address != address:
            if link is not None:
                link.lose()  # the node has moved; whoever listens at its old address is not it any more
            breaker = self._breaker(node_id)
            breaker.begin(monotonic())
            link = self._links[node_id] = Link(node_id, address, self._rules, breaker.succeed, self._follow)
            context = Context()  # the link outlives this call, and holds nothing of it
            task = asyncio.create_task(self._kept(link), context=context)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard, context=context)
        return link

    async def _follow(self, revision: int) -> None:
        with suppress(StoreUnavailable):  # then nobody knows better where agents are
            await self._directory.reached(revision)

    async def _kept(self, link: Link) -> None:
        """Dial and keep the link until it breaks; what it was good for tells the node's breaker."""
        breaker = self._breaker(link.node_id)
        channel = self._channels[link] = self._proof.dial(link.node_id, link.address)
        try:
            await self._run(link, channel)
        except MeshError as failure:
            if link.opened_at is not None:
                log.warning("link lost", node=link.node_id, address=link.address)
                self._dial_again(link, monotonic() - link.opened_at)
            elif breaker.fail(monotonic(), at_once=True):
                log.warning("node out of reach", node=link.node_id, address=link.address, reason=failure.message)
        finally:
            link.lose()
            if self._links.get(link.node_id) is link:
                del self._links[link.node_id]
            del self._channels[link]
            if link.cut_off and not self._closes:
                self._ask_about(link)  # at once, for some of its calls may be slow to learn that it broke
            await channel.close()

    def _dial_again(self, link: Link, lasted: float) -> None:
        """Dial the node anew at once, so that it is known whether it is lost or its link alone."""
        wanted = self._links.get(link.node_id) is link and self._there(link.node_id)
        if wanted and not link.leaving and lasted >= STEADY and not self._closes:
            self._link(link.node_id)

    async def _run(self, link: Link, channel: Channel) -> None:
        stream = channel.stream(f"/{SERVICE}/Link")
        try:
            await link.run(_Wire(stream, link.address))
        finally:
            stream.cancel()


class _Wire:
    """The stream of a link, as frames."""

    def __init__(self, stream: Stream, address: str) -> None:
        self._stream, self._address = stream, address

    async def each(self, take: Callable[[pb.LinkResponse], None]) -> None:
        """Call `take` with every frame until the end; MeshError when the stream broke."""
        await self._stream.each(lambda message: take(_frame(message, self._address)))
        status = await self._stream.status()
        if status.code != "OK":
            raise named(status, self._address)

    async def write(self, frame: pb.LinkRequest) -> None:
        """Write a frame."""
        await self._stream.sent(frame.SerializeToString())

    def begin(self, frame: pb.LinkRequest) -> asyncio.Future[bool] | None:
        """Begin to write a frame, where no other is being written; None on a broken stream."""
        return self._stream.begun(frame.SerializeToString())


def _learnt(call: Call, told: Told) -> None:
    """Note on a call whose link broke what becomes of it."""
    if call.cut in told.unbegun:
        unbegun(call)
    elif call.keeping is not None and call.cut in told.continued:
        call.keeping.give()


def _frame(message: bytes, address: str) -> pb.LinkResponse:
    try:
        return pb.LinkResponse.FromString(message)
    except DecodeError:
        raise NodeUnreachable(address) from None


def named(status: Status, address: str) -> MeshError:
    """What another node refused, in its own words, or NodeUnreachable."""
    details = dict(status.trailing).get(DETAILS_KEY)
    if isinstance(details, bytes):
        return from_status(status.code, status.details, details)
    return NodeUnreachable(address)
