"""The grants under contract, each in a house that lets time pass and takes Postgres away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from a2a_node.model.grant_ports import Grants
from a2a_node.store.grants import PostgresGrants
from a2a_node.testing import MemoryGrants
from tests.contract.houses import Elapse, Lose, housed

AGED = (
    "UPDATE permission_grants SET expires_at = expires_at - make_interval(secs => :seconds)",
    "UPDATE permission_requests SET expires_at = expires_at - make_interval(secs => :seconds)",
)


@dataclass(frozen=True, slots=True)
class GrantHouse:
    """Grants, and what a test can do to their surroundings."""

    grants: Grants
    elapse: Elapse
    lose: Lose


@asynccontextmanager
async def granting(url: str | None) -> AsyncIterator[GrantHouse]:
    """A house on a migrated database, or in memory when there is no URL."""
    async with housed(url, MemoryGrants, PostgresGrants, *AGED) as house:
        yield GrantHouse(*house)
