"""The connection to Postgres: a small pool, and transactions that say StoreUnavailable when Postgres is away.

Every statement must be answered within the `patience` (seconds). Nothing is repeated here: who asked decides whether to
ask again. The pool tries a connection before it lends it, so that work goes on by itself when Postgres is back.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

import orjson
from opentelemetry.trace import TracerProvider
from sqlalchemy import Executable, RowMapping, text
from sqlalchemy.ext.asyncio.engine import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import QueuePool
from sqlalchemy.util.concurrency import greenlet_spawn

from a2a_node.store.driver import Dial, asked, translated
from a2a_node.store.hot import Hot
from a2a_node.store.patience import Patience
from a2a_node.store.pool import Pool, trying
from a2a_node.store.traces import trace_postgres

POOL_SIZE = 5
PATIENCE = 1.0  # seconds
CLOCK = text("SELECT clock_timestamp() AS now")

Parameters = Mapping[str, object]


class Transaction:
    """A transaction whose every statement is answered within the patience, however many there are."""

    def __init__(self, connection: AsyncConnection, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience

    async def fetch(self, statement: Executable, parameters: Parameters | None = None) -> Sequence[RowMapping]:
        """Run one statement and read its rows, none when it gives none."""
        self._patience.begin()
        rows = await _rows(self._connection, statement, parameters)
        self._patience.pause()
        return rows

    async def now(self) -> datetime:
        """The store's time, at this moment and not when the transaction began."""
        now: datetime = (await self.fetch(CLOCK))[0]["now"]
        return now


@dataclass(frozen=True, slots=True)
class Postgres:
    """A pool of connections to one database."""

    engine: AsyncEngine = field(repr=False)
    dial: Dial = field(repr=False)
    patience: float = PATIENCE
    traced: bool = False

    def writing(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that is committed when the block ends, and rolled back when it fails."""
        return self._transaction(self.engine.execution_options(isolation_level="READ COMMITTED"))

    def reading(self) -> AbstractAsyncContextManager[Transaction]:
        """A transaction that sees one state of the database, whatever is written meanwhile, and changes nothing."""
        return self._transaction(
            self.engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        )

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[Transaction]:
        async with translated(), Patience(self.patience) as patience, engine.begin() as connection:
            patience.pause()
            try:
                yield Transaction(connection, patience)
            finally:
                patience.begin()  # the commit, or the roll-back, is asked

    async def fetch(self, statement: Executable, parameters: Parameters | None = None) -> Sequence[RowMapping]:
        """Run one statement as a transaction of its own, in one round trip, and read its rows."""
        async with translated(), Patience(self.patience), self.engine.connect() as connection:
            return await _rows(connection, statement, parameters)

    async def ask(self, hot: Hot, parameters: Parameters) -> Sequence[RowMapping]:
        """`fetch` for statements that are asked very often; where one traces, the spans know of them, too."""
        if self.traced:
            return await self.fetch(hot.statement, parameters)
        async with translated(), Patience(self.patience):
            lent = await greenlet_spawn(self.engine.sync_engine.raw_connection)
            return await asked(lent, hot.text, hot.values(parameters))

    def pool(self) -> Pool:
        """How the pool stands now."""
        pool = cast("QueuePool", self.engine.pool)
        return Pool(in_use=pool.checkedout(), idle=pool.checkedin(), size=pool.size())

    async def ping(self) -> None:
        """StoreUnavailable unless Postgres answers now."""
        await self.fetch(text("SELECT 1"))


async def _rows(
    connection: AsyncConnection, statement: Executable, parameters: Parameters | None
) -> Sequence[RowMapping]:
    result = await connection.execute(statement, parameters)
    return result.mappings().all() if result.returns_rows else ()


@asynccontextmanager
async def connected(
    url: str,
    *,
    pool_size: int = POOL_SIZE,
    patience: float = PATIENCE,
    traces: TracerProvider | None = None,
    believed: float = 0.0,
) -> AsyncIterator[Postgres]:
    """A pool on `postgresql://` or `postgres://` until the block ends; it connects when it is first asked.

    A connection is `believed` to work for so many seconds after its last use and not tried then, which saves every
    second round trip; whoever wants that asks again when the server was lost.
    """
    dial = Dial(url, patience)
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=dial,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=patience,
        pool_use_lifo=True,  # what was used last knows its statements; the others are for when there is much to do
        isolation_level="AUTOCOMMIT",  # else trying a connection is a transaction: three round trips
        hide_parameters=True,  # what users keep with us stays out of logs and errors
        json_deserializer=orjson.loads,
    )
    trying(engine.sync_engine, believed)
    if traces is not None:
        trace_postgres(engine, traces)
    try:
        yield Postgres(engine, dial, patience, traced=traces is not None)
    finally:
        await engine.dispose()
