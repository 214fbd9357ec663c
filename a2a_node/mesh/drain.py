"""A node that is told to stop: no new calls from then on, and time for those under way."""

from __future__ import annotations

import asyncio

from a2a_node.mesh.calls import Calls
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import NodeDraining


class Draining:
    """Whether the node is about to stop, and how long running calls still get."""

    def __init__(self, node_id: str, calls: Calls, patience: float) -> None:
        self._node_id = node_id
        self._calls = calls
        self._patience = patience
        self._begun = asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether it takes no new calls."""
        return self._begun.is_set()

    def begin(self, patience: float | None = None) -> None:
        """Take no new calls from now on; those under way get `patience` seconds, or the node's setting."""
        if patience is not None:
            self._patience = patience
        self._begun.set()

    async def asked(self) -> None:
        """Wait until draining begins."""
        await self._begun.wait()

    async def refuse(self, call: Call, proceed: Proceed) -> None:
        """The layer: new trees of calls are refused, children of running calls still pass."""
        if self.begun and call.agent and (call.envelope is None or not call.envelope.parent):
            raise NodeDraining(self._node_id)
        await proceed(call)

    async def finished(self) -> int:
        """Wait until no call runs, as long as there is patience; how many still do."""
        try:
            async with asyncio.timeout(self._patience):
                await self._calls.idle()
        except TimeoutError:
            return self._calls.running()
        return 0
