"""Calls by their ids, wherever in the mesh they are: this node's own, and then those of all other nodes.

An id that a node has made names it, so that this one is asked, and its calls are lost with it. Where a client has
chosen the id, the node has noted one of its own for it. Where that is not known, nodes are asked all at once when
somebody wants to know, which is seldom, rather than every call written to a store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from a2a_node.client.connection import Rpc
from a2a_node.client.records import to_record
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.chosen import Find, unknown
from a2a_node.model.call import CallRecord
from a2a_node.model.call_ids import CallIds, is_of
from a2a_node.model.errors import CallNotFound, MeshError, NodeLost
from a2a_node.model.nodes import Node, NodeStatus
from a2amesh.v1 import peer_service_pb2 as pb

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
Answer = pb.FindCallResponse | pb.EndCallResponse
FIND = Rpc("PeerService/FindCall", pb.FindCallRequest, pb.FindCallResponse)
END = Rpc("PeerService/EndCall", pb.EndCallRequest, pb.EndCallResponse)
Ask = Callable[[str], Awaitable[Answer]]
AT_ONCE = 32  # nodes that are asked at a time


class Knows(Protocol):
    """The directory, as far as it is needed here."""

    def nodes(self) -> Sequence[Node]:
        """All nodes."""


class Asks(Protocol):
    """Who reaches other nodes."""

    async def ask(self, node_id: str, rpc: Rpc[Q, R], request: Q) -> R:
        """One request to a node, one response; MeshError."""


class Elsewhere:
    """Finds and ends calls of the whole mesh; `names` are this node's id and the ids that it makes."""

    def __init__(
        self, calls: Calls, directory: Knows, peers: Asks, names: tuple[str, CallIds], find: Find = unknown
    ) -> None:
        """`find` looks for what is noted of calls whose ids their clients chose."""
        self._calls, self._directory, self._peers = calls, directory, peers
        self._node_id, self._ids = names
        self._find = find

    async def get(self, call_id: str) -> CallRecord:
        """What is known of a call; CallNotFound, NodeLost, or why a node that may know it does not answer."""
        own = self._own(call_id)
        if own is not None and not own.carried:
            return own
        made = await self._made(call_id)
        request = pb.FindCallRequest(call_id=call_id, made_id=made)
        found = await self._asked(made, lambda node: self._peers.ask(node, FIND, request))
        return self._best((call_id, made), own, found)

    async def cancel(self, call_id: str, why: str) -> CallRecord:
        """End a running call and wait until it has ended, where it came into the mesh; errors as with `get`."""
        own = self._own(call_id)
        if own is not None and not own.carried:
            return await self._calls.cancel(call_id, why)
        made = await self._made(call_id)
        request = pb.EndCallRequest(call_id=call_id, reason=why, made_id=made)
        found = await self._asked(made, lambda node: self._peers.ask(node, END, request))
        return self._best((call_id, made), await self._calls.cancel(call_id, why) if own is not None else None, found)

    async def _made(self, call_id: str) -> str:
        """The id that a node has made for the call, as far as is known."""
        noted = await self._find(call_id)
        return call_id if noted is None else noted.made

    def _own(self, call_id: str) -> CallRecord | None:
        try:
            return self._calls.get(call_id)
        except CallNotFound:
            return None

    async def _asked(self, made: str, ask: Ask) -> Sequence[Answer | MeshError]:
        """What the node says that made the id; where that does not know the call, what each of the other nodes says."""
        others = [node for node in self._directory.nodes() if node.id != self._node_id]
        present = [node for node in others if node.status is not NodeStatus.GONE]
        makers = [node for node in present if is_of(made, node.id)]
        heard = await _all(makers, ask)
        if any(_knows(answer) for answer in heard):
            return heard
        rest = [node for node in present if node not in makers]
        doubtful = {node.id for node in rest if node.status is NodeStatus.SUSPECT}
        said = zip(rest, await _all(rest, ask), strict=True)
        return [*heard, *(one for node, one in said if not (isinstance(one, MeshError) and node.id in doubtful))]

    def _best(self, ids: tuple[str, str], own: CallRecord | None, answers: Sequence[Answer | MeshError]) -> CallRecord:
        """The word of the node at which the call came in, or else of one that has served it."""
        call_id, made = ids
        heard = [answer for answer in answers if not isinstance(answer, MeshError)]
        silent = [answer for answer in answers if isinstance(answer, MeshError)]
        for answer in sorted(heard, key=lambda answer: answer.carried):
            if answer.HasField("call") and (own is None or not answer.carried):
                return to_record(answer.call)
        if own is not None:
            return own
        if self._lost(made) or any(answer.lost for answer in heard):
            raise NodeLost(call_id)
        raise silent[0] if silent else CallNotFound(call_id)

    def _lost(self, made: str) -> bool:
        """Whether the node that made the id is gone, or is another process by now."""
        gone = [node for node in self._directory.nodes() if node.status is NodeStatus.GONE]
        return self._ids.outlived(made) or any(is_of(made, node.id) for node in gone)


async def _all(nodes: Sequence[Node], ask: Ask) -> Sequence[Answer | MeshError]:
    """What each of them says."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(node: Node) -> Answer | MeshError:
        async with turns:
            try:
                return await ask(node.id)
            except MeshError as failure:
                return failure

    return await asyncio.gather(*map(one, nodes))


def _knows(answer: Answer | MeshError) -> bool:
    """Whether that is the last word."""
    return not isinstance(answer, MeshError) and answer.HasField("call") and not answer.carried
