"""A node that is told to stop: no new calls of its clients, then none of other nodes, and time for those under way."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from time import monotonic

from a2a_node.mesh.calls import Calls
from a2a_node.model.call import Call, Proceed
from a2a_node.model.errors import NodeDraining
from a2a_node.model.nodes import Progress

QUIET, LONGEST = 0.25, 1.0  # seconds without a client's call until the doors close, and the longest wait for that


class Draining:
    """Whether the node is about to stop, and how long running calls still get."""

    def __init__(self, node_id: str, calls: Calls, patience: float) -> None:
        self._node_id = node_id
        self._calls = calls
        self._patience = patience
        self._until = self._asked = 0.0
        self._closed = False
        self._admitted = 0  # calls past the layer; those that wait for their limits are not tracked yet
        self._emptied = asyncio.Event()  # since somebody asked for it last
        self._begun, self._over = asyncio.Event(), asyncio.Event()

    @property
    def begun(self) -> bool:
        """Whether it takes no new calls."""
        return self._begun.is_set()

    def begin(self, patience: float | None = None) -> None:
        """Take no new calls of clients; those under way get `patience` seconds from now, or the node's setting."""
        if patience is not None or not self.begun:
            self._asked = monotonic()
            self._until = self._asked + (self._patience if patience is None else patience)
        self._begun.set()

    def close(self) -> None:
        """Take no more calls that other nodes bring, either: what they wanted here has moved, or will not."""
        self._closed = True

    def left(self) -> float:
        """Seconds that running calls still get."""
        return max(0.0, self._until - monotonic())

    async def asked(self) -> None:
        """Wait until draining begins."""
        await self._begun.wait()

    async def refuse(self, call: Call, proceed: Proceed) -> None:
        """The layer: new trees of calls are refused, children of running calls still pass."""
        if self.begun and call.agent and not self._goes_on(call):
            self._asked = monotonic()
            raise NodeDraining(self._node_id)
        if not call.agent or call.resumes is not None:  # whoever only reads on does so elsewhere
            await proceed(call)
            return
        self._admitted += 1
        try:
            await proceed(call)
        finally:
            self._admitted -= 1
            if self.begun:  # whoever is answered now asks again
                self._asked = monotonic()
            if not self._admitted:
                self._emptied.set()

    async def over(self) -> None:
        """Wait until no call runs any more after that, or their time is up."""
        await self._over.wait()

    async def finished(self) -> int:
        """Wait until no call runs, as long as there is patience; how many still do."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.left()):
                await self._idle()
        self._over.set()
        return self._calls.running()

    async def quiet(self, span: float = QUIET, longest: float = LONGEST) -> None:
        """Wait for a span in which no client asks or is answered: each has to be told once to ask elsewhere.

        What arrives while gRPC closes a door ends without a reason, and nobody knows whether it was begun.
        """
        until = monotonic() + longest
        while True:
            left = min(self._asked + span, until) - monotonic()
            if left <= 0:
                return
            await asyncio.sleep(left)

    async def progress(self, wait: float = 0.0) -> Progress:
        """How far it is, at its end or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(wait):
                await self._over.wait()
        return Progress(self._calls.running(), drained=self._over.is_set())

    async def _idle(self) -> None:
        await self._calls.idle()
        while self._admitted:
            self._emptied.clear()
            await self._emptied.wait()
            await self._calls.idle()

    def _goes_on(self, call: Call) -> bool:
        """A child of a running call; or another node's call, which has nowhere else to go until agents have moved."""
        child = call.envelope is not None and call.envelope.parent != ""
        return child or (call.carrier != "" and not self._closed)
