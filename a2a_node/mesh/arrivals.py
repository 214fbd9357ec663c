"""Calls that other nodes bring over their links: they pass the same layers as everybody's, and go no further."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

from a2a_node.mesh.arriving import Arriving, Frames, Stop, Write
from a2a_node.mesh.broken import Broken, Told
from a2a_node.mesh.heirs import Heirs
from a2a_node.mesh.link import DEFAULT, Rules
from a2a_node.mesh.work import Peer
from a2a_node.model.call import Proceed
from a2a_node.model.errors import MeshError, NodeDraining, PermissionDenied
from a2a_node.model.principal import Principal


def nobody(call_id: str, failure: MeshError) -> bool:  # noqa: ARG001 - a call that nobody keeps books on
    """No call runs under that id."""
    return False


class Arrivals:
    """Serves links; it opens once the layers are folded."""

    def __init__(self, node_id: str, rules: Rules = DEFAULT, stop: Stop = nobody) -> None:
        """`stop` ends a call by its id with that failure; False when it runs no more, or not yet."""
        self._node_id = node_id
        self.rules, self._stop = rules, stop
        self._links: set[Arriving] = set()
        self._broken = Broken()
        self._left_at: int | None = None  # the revision of the registry in which this node's agents have moved
        self._run: Proceed | None = None
        self._rest: Proceed | None = None
        self._heirs: Heirs | None = None

    def opens(self, run: Proceed, rest: Proceed, heirs: Heirs | None = None) -> None:
        """From now on calls go through `run`, the folded incoming layers, to `rest`, the folded layers to an agent.

        With `heirs`, kept streams of nodes that are lost go on.
        """
        self._run, self._rest, self._heirs = run, rest, heirs

    def load(self) -> int:
        """How many calls of other nodes are under way here."""
        return sum(link.load() for link in self._links)

    def __len__(self) -> int:
        return len(self._links)

    async def drain(self, revision: int, patience: float) -> None:
        """Have all other nodes bring no more calls, which first read the registry up to a revision.

        Those that have not answered after so many seconds may still bring some.
        """
        self._left_at = revision
        for link in self._links:
            link.drain(revision)
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                for link in [*self._links]:
                    await link.drained.wait()

    def part(self) -> None:
        """The node closes: what it cuts off with its links is not gone on with here, for nobody else is lost."""
        self._heirs = None
        for link in self._links:
            link.heirs = None

    async def serve(self, requests: Frames, write: Write, peer: Peer) -> None:
        """Serve a link until the other node closes it; its calls end with it. InvalidInput for what makes no sense.

        PermissionDenied for whoever is no node.
        """
        if peer.node.kind != "node":
            raise PermissionDenied(str(peer.node), "peer:link", "only nodes carry calls; call the agent itself")
        if self._run is None or self._rest is None:
            raise NodeDraining(self._node_id)
        link = Arriving(self.rules, (self._run, self._rest), peer, (self._heirs, self._stop))
        link.welcome(self._node_id)
        if self._left_at is not None:
            link.drain(self._left_at)
        self._links.add(link)
        try:
            await link.run(requests, write)
        finally:
            self._links.discard(link)
            self._broken.keep(link.id, link.remains)

    async def told(self, link_id: str, node: Principal, calls: Sequence[int]) -> Told:
        """End a link that is broken for the node that has dialled it, and say what becomes of these calls on it."""
        for link in self._links:
            if link.id == link_id and link.peer.node == node:
                return await link.told(calls)
        remains = self._broken.of(link_id)
        return remains.told(calls) if remains is not None and remains.node == node else Told()
