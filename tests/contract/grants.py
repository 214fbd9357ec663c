"""The grants under contract, each in a house that lets time pass and takes Postgres away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy import text

from a2a_node.model.ports import Grants
from a2a_node.store.grants import PostgresGrants
from a2a_node.store.postgres import Postgres, connected
from a2a_node.testing import Clock, Line, MemoryGrants
from tests.contract.registries import PATIENCE
from tests.integration.store.lines import lined

AGED = (
    "UPDATE permission_grants SET expires_at = expires_at - make_interval(secs => :seconds)",
    "UPDATE permission_requests SET expires_at = expires_at - make_interval(secs => :seconds)",
)


class GrantHouse(Protocol):
    """Grants, and what a test can do to their surroundings."""

    @property
    def grants(self) -> Grants:
        """The grants under contract."""

    async def elapse(self, seconds: float) -> None:
        """Let time pass for all that ends."""

    async def lose(self) -> None:
        """Take Postgres away."""


class MemoryGrantHouse:
    """Grants in memory."""

    def __init__(self) -> None:
        self._clock = Clock()
        self.grants = MemoryGrants(self._clock)

    async def elapse(self, seconds: float) -> None:
        """Move the clock."""
        self._clock.advance(seconds)

    async def lose(self) -> None:
        """Play that Postgres is away."""
        self.grants.lose()


class PostgresGrantHouse:
    """Grants in Postgres, reached over a line that can be cut."""

    def __init__(self, postgres: Postgres, line: Line) -> None:
        self._postgres = postgres
        self._line = line
        self.grants = PostgresGrants(postgres)

    async def elapse(self, seconds: float) -> None:
        """Move what ends towards the past: the clock of Postgres cannot be moved."""
        for statement in AGED:
            await self._postgres.fetch(text(statement), {"seconds": seconds})

    async def lose(self) -> None:
        """Cut the line."""
        self._line.cut()


@asynccontextmanager
async def granting(url: str | None) -> AsyncIterator[GrantHouse]:
    """A house on a migrated database, or in memory when there is no URL."""
    if url is None:
        yield MemoryGrantHouse()
        return
    async with lined(url) as (through, line), connected(through, patience=PATIENCE) as postgres:
        yield PostgresGrantHouse(postgres, line)
