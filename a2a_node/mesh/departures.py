"""Instances that are gone and that the registry has not been told of yet."""

from __future__ import annotations

import asyncio

import structlog

from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.registry_ports import Registry

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)
KEPT = 10_000
RETRY_SECONDS = 1.0


class Departures:
    """Removes instances from the registry as soon as this can be done, many at a time; `tell` is its only worker.

    While the store is away at most `kept` wait; the oldest are forgotten, for the node's next join removes them too.
    """

    def __init__(self, registry: Registry, *, kept: int = KEPT, retry: float = RETRY_SECONDS) -> None:
        self._registry = registry
        self._kept = kept
        self._retry = retry
        self._gone: dict[str, None] = {}
        self._news, self._told = asyncio.Event(), asyncio.Event()

    def add(self, instance_id: str) -> None:
        """Note that an instance is gone; returns at once."""
        if len(self._gone) >= self._kept:
            forgotten = next(iter(self._gone))
            del self._gone[forgotten]
            log.warning("too many instances left while the registry is away; one is forgotten", instance=forgotten)
        self._gone[instance_id] = None
        self._news.set()

    async def tell(self) -> None:
        """Tell the registry, for ever."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._gone:
                await self._tell([*self._gone])

    async def told(self) -> None:
        """Wait until the registry knows of all that are gone."""
        while self._gone:
            self._told.clear()
            await self._told.wait()

    async def _tell(self, gone: list[str]) -> None:
        try:
            await self._registry.remove_instances(gone)
        except StoreUnavailable:
            await asyncio.sleep(self._retry)
        else:
            for instance_id in gone:
                self._gone.pop(instance_id, None)
            self._told.set()
