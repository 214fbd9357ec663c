"""The keys under contract, each in a house that lets time pass and takes Postgres away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_node.model.key_ports import Keys
from a2a_node.store.keys import PostgresKeys
from a2a_node.testing import MemoryKeys
from tests.contract.houses import Elapse, Lose, housed

AGED = (
    "UPDATE api_keys SET expires_at = expires_at - make_interval(secs => :seconds)",
    "UPDATE signing_keys SET created_at = created_at - make_interval(secs => :seconds)",
)


@dataclass(frozen=True, slots=True)
class KeyHouse:
    """Keys, and what a test can do to their surroundings."""

    keys: Keys
    elapse: Elapse
    lose: Lose


@asynccontextmanager
async def keeping_keys(url: str | None) -> AsyncIterator[KeyHouse]:
    """A house on a migrated database, or in memory when there is no URL."""
    async with housed(url, MemoryKeys, PostgresKeys, *AGED) as house:
        yield KeyHouse(*house)
