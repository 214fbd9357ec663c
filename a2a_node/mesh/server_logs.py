"""What MCP servers wrote last, wherever in the mesh they run."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from a2a_node.client.connection import Rpc
from a2a_node.mesh.drains import Asks
from a2a_node.model.errors import InvalidInput, ServerNotFound
from a2a_node.model.tool_ports import Servers
from a2amesh.v1 import peer_service_pb2 as pb

READ = Rpc("PeerService/ReadServerLog", pb.ReadServerLogRequest, pb.ReadServerLogResponse)
MOST = 1000  # lines
Here = Callable[[str], Sequence[str] | None]


class ServerLogs:
    """Reads them here, or asks the node that has them."""

    def __init__(self, node_id: str, here: Here, servers: Servers, peers: Asks) -> None:
        """`here` are the lines of a server that runs on this node; None for others."""
        self._node_id, self._here, self._servers, self._peers = node_id, here, servers, peers

    def own(self, server_id: str, lines: int) -> Sequence[str]:
        """The last lines of a server here; ServerNotFound when it does not run on this node."""
        found = self._here(server_id)
        if found is None:
            raise ServerNotFound(server_id)
        return found[len(found) - min(len(found), lines, MOST) :]

    async def read(self, server_id: str, node_id: str, lines: int) -> Sequence[str]:
        """The last lines of the copy on a node; absent, of this node's, or else of the only one. InvalidInput."""
        if node_id in ("", self._node_id) and self._here(server_id) is not None:
            return self.own(server_id, lines)
        nodes = [copy.node_id for copy in (await self._servers.get(server_id)).copies]
        if not node_id and len(nodes) > 1:
            raise InvalidInput("node_id", f"is required: {server_id!r} runs on {', '.join(nodes[:10])}")
        if not nodes or (node_id and node_id not in nodes):
            raise InvalidInput("node_id", f"{server_id!r} does not run there, so that there is no log of it")
        there = node_id or nodes[0]
        if there == self._node_id:
            return ()  # it has just ended
        return [*(await self._peers.ask(there, READ, pb.ReadServerLogRequest(server_id=server_id, lines=lines))).lines]
