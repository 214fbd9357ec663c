"""What is known of the process itself: its version, memory, processor time, open files, and how late its loop runs."""

from __future__ import annotations

import asyncio
import platform
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from prometheus_client.gc_collector import GCCollector
from prometheus_client.metrics import Histogram, Info
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import CollectorRegistry

from a2a_node.web.tasks import Tasks

EVERY = 0.25  # seconds between looks at the loop
BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


def told(registry: CollectorRegistry, version: str, node_id: str) -> None:
    """Have a registry tell of the process and of the loop that runs in it now."""
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    registry.register(Tasks())
    build = Info("a2a_build", "What runs here", registry=registry)
    build.info({"version": version, "python": platform.python_version(), "node": node_id})


@asynccontextmanager
async def timed(registry: CollectorRegistry) -> AsyncIterator[None]:
    """Measure how late the event loop comes to what is due, until the block ends."""
    lag = Histogram(
        "a2a_event_loop_lag",
        "How late the event loop comes to what is due",
        unit="seconds",
        buckets=BUCKETS,
        registry=registry,
    )
    task = asyncio.create_task(_measure(lag))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def _measure(lag: Histogram) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY
        await asyncio.sleep(EVERY)
        lag.observe(max(0.0, loop.time() - due))
