"""The kill switch of the mesh, thrown from one node: freezes, and waits for what the others confirm."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from a2a_node.access.frozen import Freezing
from a2a_node.model.freeze_ports import Freezes
from a2a_node.model.freezes import Freeze, NewFreeze, Progress
from a2a_node.model.nodes import Node, NodeStatus

LOOKS = 0.1  # seconds between looks at what the nodes have confirmed, while somebody waits for that


class Knows(Protocol):
    """The directory, as far as it is needed here."""

    def nodes(self) -> Sequence[Node]:
        """All nodes."""


@dataclass(frozen=True, slots=True)
class Switch:
    """The kill switch of the mesh, thrown from this node."""

    node_id: str
    store: Freezes
    freezing: Freezing
    directory: Knows

    async def throw(self, new: NewFreeze, wait: float) -> tuple[Freeze, Sequence[Progress]]:
        """Freeze, and wait so long for all nodes that live to confirm that everything has stopped."""
        freeze, revision = await self.store.freeze(new)
        await self.freezing.reached(revision)
        loop = asyncio.get_running_loop()
        end = loop.time() + wait
        while True:  # what nodes confirm they tell the store alone
            confirmed = await self.store.progress([freeze.id])
            left = end - loop.time()
            if left <= 0 or self._done(confirmed):
                return freeze, confirmed
            await asyncio.sleep(min(LOOKS, left))

    async def lift(self, freeze_id: str, lifted_by: str) -> tuple[Freeze, Sequence[Progress]]:
        """Lift a freeze; FreezeNotFound."""
        freeze, revision = await self.store.lift(freeze_id, lifted_by)
        await self.freezing.reached(revision)
        return freeze, await self.store.progress([freeze_id])

    def living(self) -> frozenset[str]:
        """The ids of the nodes that are not known to be gone."""
        return frozenset(node.id for node in self.directory.nodes() if node.status is not NodeStatus.GONE)

    def _done(self, confirmed: Sequence[Progress]) -> bool:
        return self.living() <= {one.node for one in confirmed if not one.stopping}
