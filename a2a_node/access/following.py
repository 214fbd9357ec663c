"""The grants of the mesh as this node knows them, in memory, so that no decision waits for the store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Self

from a2a_node.access.book import Book
from a2a_node.expressions import fence
from a2a_node.mesh.followed import DEFAULT, Followed, Habits
from a2a_node.model.grant_ports import GrantChanges, Grants

__all__ = ["Following", "Habits"]


class Following(Followed[GrantChanges]):
    """A book of grants that is kept up to date; made by `grants_of`."""

    what = "grants"
    book: Book

    @classmethod
    @asynccontextmanager
    async def grants_of(cls, store: Grants, habits: Habits = DEFAULT) -> AsyncIterator[Self]:
        """Follow the grants until the block ends; StoreUnavailable when the first look at them fails."""
        async with cls(store, Book(), habits).following() as following:
            yield following

    async def prepare(self, changes: GrantChanges) -> None:
        """Load what conditions need, before the first one is decided by."""
        if any(grant.conditions for grant in changes.grants):
            await fence.ready()
