"""The keys under contract, each in a house that lets time pass and takes Postgres away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from sqlalchemy import text

from a2a_node.model.key_ports import Keys
from a2a_node.store.keys import PostgresKeys
from a2a_node.store.postgres import Postgres, connected
from a2a_node.testing import Clock, Line, MemoryKeys
from tests.contract.registries import PATIENCE
from tests.integration.store.lines import lined

AGED = (
    "UPDATE api_keys SET expires_at = expires_at - make_interval(secs => :seconds)",
    "UPDATE signing_keys SET created_at = created_at - make_interval(secs => :seconds)",
)


class KeyHouse(Protocol):
    """Keys, and what a test can do to their surroundings."""

    @property
    def keys(self) -> Keys:
        """The keys under contract."""

    async def elapse(self, seconds: float) -> None:
        """Let time pass for all that ends."""

    async def lose(self) -> None:
        """Take Postgres away."""


class MemoryKeyHouse:
    """Keys in memory."""

    def __init__(self) -> None:
        self._clock = Clock()
        self.keys = MemoryKeys(self._clock)

    async def elapse(self, seconds: float) -> None:
        """Move the clock."""
        self._clock.advance(seconds)

    async def lose(self) -> None:
        """Play that Postgres is away."""
        self.keys.lose()


class PostgresKeyHouse:
    """Keys in Postgres, reached over a line that can be cut."""

    def __init__(self, postgres: Postgres, line: Line) -> None:
        self._postgres = postgres
        self._line = line
        self.keys = PostgresKeys(postgres)

    async def elapse(self, seconds: float) -> None:
        """Move what ends towards the past: the clock of Postgres cannot be moved."""
        for statement in AGED:
            await self._postgres.fetch(text(statement), {"seconds": seconds})

    async def lose(self) -> None:
        """Cut the line."""
        self._line.cut()


@asynccontextmanager
async def keeping_keys(url: str | None) -> AsyncIterator[KeyHouse]:
    """A house on a migrated database, or in memory when there is no URL."""
    if url is None:
        yield MemoryKeyHouse()
        return
    async with lined(url) as (through, line), connected(through, patience=PATIENCE) as postgres:
        yield PostgresKeyHouse(postgres, line)
