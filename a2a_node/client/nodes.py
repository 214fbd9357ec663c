"""The nodes of the mesh."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from a2a_node.client.anywhere import Anywhere
from a2a_node.client.connection import Rpc, terms
from a2a_node.client.records import to_node
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.wire.agents import duration
from a2amesh.v1 import registry_service_pb2 as pb

_LIST = Rpc("RegistryService/ListNodes", pb.ListNodesRequest, pb.ListNodesResponse)
_GET = Rpc("RegistryService/GetNode", pb.GetNodeRequest, pb.GetNodeResponse)
_DRAIN = Rpc("RegistryService/DrainNode", pb.DrainNodeRequest, pb.DrainNodeResponse)


@dataclass(frozen=True, slots=True)
class NodeEntry:
    """A node, and how many instances are reached through it."""

    node: Node
    instance_count: int


@dataclass(frozen=True, slots=True)
class Drain:
    """A node that drains, and how far it is."""

    node: Node
    running_calls: int
    drained: bool  # it closes now, and calls that still run are cut off


class Nodes:
    """The nodes of the mesh."""

    def __init__(self, connection: Anywhere) -> None:
        self._connection = connection

    async def list(self, *, status: NodeStatus | None = None, region: str = "") -> AsyncIterator[NodeEntry]:
        """The nodes by id, fetched page by page."""
        number = pb.NODE_STATUS_UNSPECIFIED if status is None else pb.NodeStatus.Value(f"NODE_STATUS_{status.name}")
        request = pb.ListNodesRequest(status=number, region=region)
        while True:
            page = await self._connection.ask(_LIST, request, terms())
            for message in page.nodes:
                yield _entry(message)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token

    async def get(self, node_id: str = "") -> NodeEntry:
        """All that is known of a node, of the one that is asked when no id is given; NodeNotFound."""
        return _entry((await self._connection.ask(_GET, pb.GetNodeRequest(node_id=node_id), terms())).node)

    async def drain(
        self,
        node_id: str = "",
        timeout: float | None = None,  # noqa: ASYNC109 - the node's time
        wait: float = 0.0,
    ) -> Drain:
        """Tell a node to take no new work; running calls get `timeout` seconds. NodeNotFound.

        Answers at its end or after `wait` seconds, one at most; to ask again is how to see it to its end.
        """
        span = None if timeout is None else duration(timeout)
        request = pb.DrainNodeRequest(node_id=node_id, timeout=span, wait=duration(wait))
        answer = await self._connection.ask(_DRAIN, request, terms())
        return Drain(_entry(answer.node).node, answer.running_calls, answer.drained)


def _entry(message: pb.Node) -> NodeEntry:
    return NodeEntry(to_node(message), message.instance_count)
