"""How this node proves to others that it is who it is, and how it reaches them."""

from __future__ import annotations

from a2a_node.core.client import Channel
from a2a_node.mesh.lines import Bounds
from a2a_node.mesh.peers import Proof
from a2a_node.node.tls import PeerTls
from a2a_node.wire.seals import Seals


def proof(seals: Seals, tls: PeerTls, payload_limit: int) -> Proof:
    """The proof of this node: connections by its certificate, calls by the mesh's seal."""
    options = Bounds(payload_limit).options()

    def dial(node_id: str, address: str) -> Channel:
        return Channel(address, tls.channel(), (*options, *tls.options(node_id)))

    return Proof(seals.sealed, dial)
