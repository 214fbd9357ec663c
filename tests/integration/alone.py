"""A node that is alone in its mesh."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from google.protobuf.message import Message

from a2a_node.client.connection import Rpc
from a2a_node.mesh.calls import Calls
from a2a_node.mesh.elsewhere import Elsewhere
from a2a_node.model.call_ids import CallIds
from a2a_node.model.errors import NodeNotFound
from a2a_node.model.nodes import Node

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)


class Alone:
    """Knows no other node."""

    def nodes(self) -> Sequence[Node]:
        """None."""
        return ()

    async def ask(self, node_id: str, _: Rpc[Q, R], __: Q) -> R:
        """Nobody is there to be asked."""
        raise NodeNotFound(node_id)


def alone(calls: Calls) -> Elsewhere:
    """The calls of a node that is alone."""
    return Elsewhere(calls, Alone(), Alone(), ("alone", CallIds("alone")))
