"""The registries under contract, each in a house that lets time pass and takes Postgres away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy import text

from a2a_node.model.registry_ports import Registry
from a2a_node.store.postgres import Postgres, connected
from a2a_node.store.registry import PostgresRegistry
from a2a_node.testing import Clock, Line, MemoryRegistry
from tests.integration.store.lines import lined

PATIENCE = 10.0  # seconds; a busy machine is no reason to fail
PASS_TIME = """
WITH passed AS (UPDATE instances SET lease_until = lease_until - make_interval(secs => :seconds))
UPDATE nodes SET lease_until = lease_until - make_interval(secs => :seconds)
"""


class House(Protocol):
    """A registry, and what a test can do to its surroundings."""

    @property
    def registry(self) -> Registry:
        """The registry under contract."""

    async def elapse(self, seconds: float) -> None:
        """Let time pass for every lease."""

    async def lose(self) -> None:
        """Take Postgres away."""

    async def recover(self) -> None:
        """Bring Postgres back, with all that it knew."""


class MemoryHouse:
    """The registry in memory."""

    def __init__(self, kept: int) -> None:
        self._clock = Clock()
        self.registry = MemoryRegistry(self._clock, kept=kept)

    async def elapse(self, seconds: float) -> None:
        """Move the clock."""
        self._clock.advance(seconds)

    async def lose(self) -> None:
        """Play that Postgres is away."""
        self.registry.lose()

    async def recover(self) -> None:
        """Play that Postgres is back."""
        self.registry.recover()


class PostgresHouse:
    """The registry in Postgres, reached over a line that can be cut."""

    def __init__(self, postgres: Postgres, line: Line, kept: int) -> None:
        self.postgres = postgres
        self.line = line
        self.registry = PostgresRegistry(postgres, kept=kept)

    async def elapse(self, seconds: float) -> None:
        """Move the leases towards the past: the clock of Postgres cannot be moved."""
        await self.postgres.fetch(text(PASS_TIME), {"seconds": seconds})

    async def lose(self) -> None:
        """Cut the line."""
        self.line.cut()

    async def recover(self) -> None:
        """Restore the line."""
        await self.line.restore()


@asynccontextmanager
async def housed(url: str | None, kept: int = 10_000) -> AsyncIterator[House]:
    """A house on a migrated database, or in memory when there is no URL."""
    if url is None:
        yield MemoryHouse(kept)
        return
    async with lined(url) as (through, line), connected(through, patience=PATIENCE) as postgres:
        yield PostgresHouse(postgres, line, kept)
