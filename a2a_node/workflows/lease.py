"""The lease of an executor: others believe by it that this one lives, and it must end where it cannot be renewed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

import structlog

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.run_ports import Execution

SURE = 0.1  # seconds that asking for the time may take: half of it is not known

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Executor:
    """Who executes: an id that no process had before, the node beside it, and how long its lease is in seconds."""

    id: str
    node_id: str
    lease: float


class Lease:
    """Renewed each third of it. `lost` is called when it has ended: whoever held it must not go on."""

    def __init__(self, who: Executor, record: Execution, lost: Callable[[], None]) -> None:
        self._who, self._record, self._lost = who, record, lost
        self._good_until = 0.0
        self._told: tuple[datetime, float, float] | None = None  # the store's time, when it was so here, and how surely

    def now(self) -> datetime:
        """What time it is by the store's clock: that of this machine may be wrong, and other engines have others."""
        if self._told is None:
            raise RuntimeError("a lease that has not begun knows no time")
        time, at, _ = self._told
        return time + timedelta(seconds=monotonic() - at)

    async def begin(self) -> None:
        """Hold it, before anything else; StoreUnavailable."""
        before = monotonic()  # it never looks longer to us than to others
        time = await self._record.renew(self._who.id, self._who.node_id, self._who.lease)
        self._good_until = before + self._who.lease
        self._hear(time, before, monotonic())

    def _hear(self, time: datetime, before: float, after: float) -> None:
        """Believe a time that was told between two moments, unless a surer one is known."""
        span = after - before
        if self._told is None or span <= max(self._told[2], SURE):
            self._told = time, (before + after) / 2, span

    async def renewed(self) -> None:
        """Renew it, for ever."""
        while True:
            await asyncio.sleep(self._who.lease / 3)
            left = self._good_until - monotonic()
            try:
                async with asyncio.timeout(max(left, 0.0)):
                    await self.begin()
            except (StoreUnavailable, TimeoutError) as failure:
                log.warning("the lease of the engine could not be renewed", reason=str(failure))
            if monotonic() > self._good_until:
                self._lost()

    async def end(self) -> None:
        """Let others have what it held."""
        await self._record.release(self._who.id)
