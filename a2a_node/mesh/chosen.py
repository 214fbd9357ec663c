"""Calls whose clients chose their ids: their nodes note that they have them, and no call waits for that.

An id that a node has made names that node. For one that a client has chosen the node makes such an id as well, and
keeps it under the chosen one: so whoever asks for the call is told what is known of an id that its node has made.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from time import monotonic
from typing import Self, TypeAlias

import structlog

from a2a_node.mesh.background import background
from a2a_node.model.call import Call, Proceed
from a2a_node.model.chosen_ids import ChosenId, ChosenIds
from a2a_node.model.errors import StoreUnavailable

KEPT = 600.0  # seconds after the call's deadline
MOST = 10_000  # calls that wait to be noted; more are not, as while the store is away

log = structlog.get_logger()
Find: TypeAlias = Callable[[str], Awaitable[ChosenId | None]]


async def unknown(call_id: str) -> ChosenId | None:  # noqa: ARG001 - a node on which nothing is noted
    """Nothing is noted of any call."""
    return None


class Chosen:
    """Notes calls in the background, all that came in during a trip in the next one; made by `noting`."""

    def __init__(self, store: ChosenIds, fresh: Callable[[], str]) -> None:
        self._store, self._fresh = store, fresh
        self._waiting: list[tuple[ChosenId, float]] = []
        self._came = asyncio.Event()

    @classmethod
    @asynccontextmanager
    async def noting(cls, store: ChosenIds, fresh: Callable[[], str]) -> AsyncIterator[Self]:
        """Note calls until the block ends; `fresh` makes ids of this node."""
        chosen = cls(store, fresh)
        async with background(chosen.write):
            yield chosen

    def layer(self, call: Call, proceed: Proceed) -> Awaitable[None]:
        """Note a call whose client chose its id, unless it is kept anyway."""
        if call.chosen and call.keeping is None and not call.idempotency_key and len(self._waiting) < MOST:
            left = call.envelope.time_left(monotonic()) if call.envelope is not None else 0.0
            one = ChosenId(call.id, self._fresh(), str(call.principal), call.agent)
            self._waiting.append((one, left + KEPT))
            self._came.set()
        return proceed(call)

    async def write(self) -> None:
        """Write what waits, for ever; what the store does not take is not noted."""
        while True:
            await self._came.wait()
            self._came.clear()
            waiting, self._waiting = self._waiting, []
            try:
                await self._store.note(waiting)
            except StoreUnavailable:
                log.info("calls with ids of their clients' own are not noted", calls=len(waiting))

    async def find(self, call_id: str) -> ChosenId | None:
        """What is noted of a call, by any node; None where nothing is, or nobody knows."""
        try:
            return await self._store.find(call_id)
        except StoreUnavailable:
            return None
