"""The lease of an executor, and the time that it hears with each renewal."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from a2a_node.testing import MemoryRuns
from a2a_node.workflows.lease import Executor, Lease

BEGIN = datetime(2030, 1, 1, tzinfo=UTC)  # by the store's clock, far from that of this machine
WHO = Executor("executor", "node", 15.0)
CLOSE = timedelta(seconds=5)  # a busy machine


class Told(MemoryRuns):
    """A record whose clock stands where a test puts it, and that may take its time to answer."""

    def __init__(self) -> None:
        self.time, self.slow = BEGIN, 0.0
        super().__init__(lambda: self.time)

    async def renew(self, executor: str, node_id: str, lease: float) -> datetime:
        """A while later."""
        await asyncio.sleep(self.slow)
        return await super().renew(executor, node_id, lease)


def lost() -> None:
    """Nobody loses it here."""
    raise AssertionError


async def test_time_is_the_stores() -> None:
    """Whatever this machine believes, and also where that of the store is set anew."""
    record = Told()
    lease = Lease(WHO, record, lost)
    with pytest.raises(RuntimeError, match="has not begun"):
        lease.now()
    await lease.begin()
    assert timedelta() <= lease.now() - BEGIN < CLOSE
    record.time += timedelta(hours=1)
    await lease.begin()
    assert timedelta(hours=1) <= lease.now() - BEGIN < timedelta(hours=1) + CLOSE


async def test_what_took_long_to_hear_is_not_believed() -> None:
    """Where something surer is known: nobody can tell when it was so."""
    record = Told()
    lease = Lease(WHO, record, lost)
    await lease.begin()
    record.slow, record.time = 0.3, BEGIN + timedelta(hours=1)
    await lease.begin()
    assert lease.now() - BEGIN < CLOSE
