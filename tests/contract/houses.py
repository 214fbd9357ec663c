"""Where a store under contract is: in memory or in Postgres, where time can pass and Postgres go away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol, TypeVar

from sqlalchemy import text

from a2a_node.store.postgres import Postgres, connected
from a2a_node.testing import Clock
from tests.contract.registries import PATIENCE
from tests.integration.store.lines import lined


class Losing(Protocol):
    """A store in memory."""

    def lose(self) -> None:
        """Play that Postgres is away."""


Twin = TypeVar("Twin", bound=Losing)
Store = TypeVar("Store")
Elapse = Callable[[float], Awaitable[None]]
Lose = Callable[[], None]


@asynccontextmanager
async def housed(
    url: str | None, twin: Callable[[Clock], Twin], store: Callable[[Postgres], Store], *aged: str
) -> AsyncIterator[tuple[Twin | Store, Elapse, Lose]]:
    """A store on a migrated database, or in memory without a URL; what lets seconds pass; what takes Postgres away.

    The clock of Postgres cannot be moved: `aged` are statements that move what it has kept towards the past.
    """
    if url is None:
        clock = Clock()
        memory = twin(clock)

        async def advance(seconds: float) -> None:
            clock.advance(seconds)

        yield memory, advance, memory.lose
        return
    async with lined(url) as (through, line), connected(through, patience=PATIENCE) as postgres:

        async def age(seconds: float) -> None:
            for statement in aged:
                await postgres.fetch(text(statement), {"seconds": seconds})

        yield store(postgres), age, line.cut
