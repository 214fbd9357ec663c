"""A process that keeps the leases of all nodes, by the statements of nodes and as often as they do it.

`python -m tests.bench.renewing` on the database that the environment names says how it fared once it is told to stop.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from statistics import quantiles
from time import monotonic

import uvloop

from a2a_node.mesh.membership import CARETAKERS, DEFAULT
from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.postgres import connected
from a2a_node.store.registry import PostgresRegistry
from tests.bench.child import URL
from tests.bench.crowd import NODES, node_id

LINES = 8  # connections


@dataclass
class Renewals:
    """How the leases fared."""

    took: list[float] = field(default_factory=list)  # seconds
    failed: int = 0

    async def keep(self, registry: PostgresRegistry, share: Sequence[str]) -> None:
        """Renew these, evenly over the time between two renewals, and now and then tidy up, for ever."""
        begun, number = monotonic(), 0
        while True:
            await asyncio.sleep(max(0.0, begun + number * DEFAULT.renewal / len(share) - monotonic()))
            asked = monotonic()
            try:
                self.failed += not await registry.renew_node(share[number % len(share)], DEFAULT.lease)
                if random.random() * NODES < CARETAKERS:  # noqa: S311 - it keeps no secret
                    await registry.sweep()
            except StoreUnavailable:
                self.failed += 1
            self.took.append(monotonic() - asked)
            number += 1


async def main() -> None:
    """Keep them all until told to stop."""
    renewals = Renewals()
    async with AsyncExitStack() as house:
        stores = [await house.enter_async_context(connected(os.environ[URL], pool_size=1)) for _ in range(LINES)]
        shares = [[node_id(one) for one in range(number, NODES, LINES)] for number in range(LINES)]
        begun = monotonic()
        keeping = [
            asyncio.create_task(renewals.keep(PostgresRegistry(store), share))
            for store, share in zip(stores, shares, strict=True)
        ]
        print("{}", flush=True)  # noqa: T201 - the parent reads it
        await asyncio.to_thread(sys.stdin.readline)
        rate = len(renewals.took) / (monotonic() - begun)
        for task in keeping:
            task.cancel()
        await asyncio.wait(keeping)
    slowest = quantiles(renewals.took, n=100)[98] * 1000
    said = {"per_s": rate, "p99_ms": slowest, "failed": renewals.failed}
    print(json.dumps(said))  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    uvloop.run(main())
