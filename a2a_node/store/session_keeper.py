"""Takes what changed of sessions from Redis to Postgres: changes at once, the rest in batches, again until it is done.

Every node runs one. Two may persist the same session at the same time, for a row never goes back.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

import structlog

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.hot_sessions import HotSessions, Record
from a2a_node.store.postgres import Postgres, Transaction
from a2a_node.store.session_rows import SWEPT, SessionRows

LAG = 2.0  # seconds until a read or a touch is persisted
SWEEPING = 30  # rounds of that length between two looks for sessions that ended
BATCH = 4  # sessions of each group persisted in one transaction, which holds up who changes them meanwhile

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Taken:
    """A session taken to Postgres as of that access, None when it had ended; and the row that stands against it."""

    session_id: str
    accessed: datetime | None = None
    standing: Record | None = None


class SessionKeeper:
    """Persists the sessions of Redis."""

    def __init__(self, hot: HotSessions, rows: SessionRows, postgres: Postgres, *, lag: float = LAG) -> None:
        self._hot = hot
        self._rows = rows
        self._postgres = postgres
        self._lag = lag

    async def keep(self, record: Record) -> Record | None:
        """Persist a change now, or in a later batch when Postgres is away; the row that stands against it, or None."""
        session = record.session
        try:
            standing = await self._rows.keep(record)
        except StoreUnavailable:
            return None
        with suppress(StoreUnavailable):  # the change is kept; a mark that says otherwise only costs a second look
            await self._settle(_Taken(session.id, session.last_accessed, standing))
        return standing

    async def keep_batch(self, age: float = 0.0) -> int:
        """Persist some of the sessions that Postgres has not had as they are for `age` seconds; how many."""
        ids = await self._hot.take_unpersisted(BATCH, age)
        if not ids:
            return 0
        try:
            async with self._postgres.writing() as transaction:
                # In the order of their ids, so that two nodes cannot wait for each other's rows.
                all_taken = [await self._take(session_id, transaction) for session_id in ids]
        except StoreUnavailable:
            await self._hot.give_back(ids)
            raise
        for taken in all_taken:
            await self._settle(taken)
        return len(ids)

    async def run(self) -> None:
        """Persist what is left to persist and delete what ended, round after round."""
        turn = 0
        while True:
            await asyncio.sleep(self._lag)
            turn += 1
            try:
                await self._round(sweeping=turn % SWEEPING == 0)
            except StoreUnavailable:
                log.debug("sessions wait to be persisted")
            except Exception:
                log.exception("sessions could not be persisted; they stay in redis")

    async def _round(self, *, sweeping: bool) -> None:
        # First what lives is told to Postgres, then what ended there is deleted.
        while await self.keep_batch(self._lag / 2):
            pass
        while sweeping and await self._rows.sweep() == SWEPT:
            pass

    async def _take(self, session_id: str, transaction: Transaction) -> _Taken:
        record = await self._hot.stored(session_id)
        if record is None:
            return _Taken(session_id)
        return _Taken(session_id, record.session.last_accessed, await self._rows.keep(record, transaction))

    async def _settle(self, taken: _Taken) -> None:
        if taken.standing is None:
            await self._hot.settle(taken.session_id, taken.accessed)
        else:
            log.warning("redis had lost a change of a session that postgres has", session=taken.session_id)
            await self._hot.install(taken.standing, over=taken.accessed)
