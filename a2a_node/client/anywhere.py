"""The nodes of one mesh that a client knows: the first one that takes requests is asked, until it does not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import TypeVar

from google.protobuf.message import Message

from a2a_node.client.connection import Connection, Rpc, Unsent
from a2a_node.model.call import Terms
from a2a_node.model.errors import MeshError, NodeDraining

Q = TypeVar("Q", bound=Message)
R = TypeVar("R", bound=Message)
NOT_BEGUN = (NodeDraining, Unsent)  # whoever was asked has done nothing


class Anywhere:
    """Asks one of several nodes; it goes on to the next one where nobody has begun what was asked for."""

    def __init__(self, nodes: Sequence[Connection]) -> None:
        self._nodes = nodes
        self._at = 0

    @property
    def nodes(self) -> Sequence[Connection]:
        """All of them."""
        return self._nodes

    @property
    def node(self) -> Connection:
        """The one that is asked now."""
        return self._nodes[self._at]

    async def ask(self, rpc: Rpc[Q, R], request: Q, within: Terms) -> R:
        """One request, one response; any MeshError. At work one node alone is asked: it knows the call token."""
        for _ in () if within.token else self._nodes[1:]:
            node = self.node
            try:
                return await node.ask(rpc, request, within)
            except NOT_BEGUN as failure:
                self.leave(node, failure)
        return await self.node.ask(rpc, request, within)

    def listen(self, rpc: Rpc[Q, R], request: Q, within: Terms) -> AsyncIterator[R]:
        """One request, any number of responses; see Connection."""
        return self.node.listen(rpc, request, within)

    def converse(self, rpc: Rpc[Q, R], requests: AsyncGenerator[Q, None], within: Terms) -> AsyncIterator[R]:
        """Requests and responses side by side; see Connection."""
        return self.node.converse(rpc, requests, within)

    def ring(self) -> Sequence[Connection]:
        """All of them, the one that is asked now first."""
        return (*self._nodes[self._at :], *self._nodes[: self._at])

    def leave(self, node: Connection, failure: MeshError) -> None:
        """Ask the next one from now on, if that is the one asked now; the failure itself where there is no other."""
        if len(self._nodes) == 1:
            raise failure
        if node is self.node:
            self._at = (self._at + 1) % len(self._nodes)
