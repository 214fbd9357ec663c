"""Telling a node to drain, whichever it is: this one, another one directly, and a silent one through the registry."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol, TypeVar

from google.protobuf.message import Message

from a2a_node.client.connection import Rpc
from a2a_node.mesh.directory import Directory
from a2a_node.model.errors import NodeUnreachable
from a2a_node.model.nodes import NodeStatus, Progress
from a2a_node.model.registry_ports import Registry
from a2a_node.wire.agents import duration
from a2amesh.v1 import peer_service_pb2 as pb

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
DRAIN = Rpc("PeerService/Drain", pb.DrainRequest, pb.DrainResponse)
LONGEST_WAIT = 1.0  # seconds; other nodes have to answer within two
Here = Callable[[float | None, float], Awaitable[Progress]]


class Asks(Protocol):
    """Who reaches other nodes."""

    async def ask(self, node_id: str, rpc: Rpc[Q, R], request: Q) -> R:
        """One request to a node, one response; MeshError."""


class Drains:
    """Drains nodes of the mesh."""

    def __init__(self, node_id: str, here: Here, directory: Directory, far: tuple[Registry, Asks]) -> None:
        """`here` drains this node: the seconds for running calls, if they were named, and how long to wait."""
        self._node_id = node_id
        self._here = here
        self._directory = directory
        self._registry, self._peers = far

    async def drain(self, node_id: str, seconds: float | None, wait: float) -> Progress:
        """Tell a node to take no new work, and how far it is, at its end or after a wait. NodeNotFound.

        StoreUnavailable for a node that does not answer while the registry cannot be told, either.
        """
        wait = min(wait, LONGEST_WAIT)
        if node_id == self._node_id:
            return await self._here(seconds, wait)
        status = self._directory.node(node_id).status
        if status is NodeStatus.GONE:
            return Progress(0, drained=True, begun=False)
        timeout = None if seconds is None else duration(seconds)
        try:
            answer = await self._peers.ask(node_id, DRAIN, pb.DrainRequest(timeout=timeout, wait=duration(wait)))
        except NodeUnreachable:
            await self._directory.reached(await self._registry.set_status(node_id, NodeStatus.DRAINING))
            return Progress(0, begun=status is not NodeStatus.DRAINING)
        return Progress(answer.running_calls, drained=answer.drained, begun=not answer.looked)
