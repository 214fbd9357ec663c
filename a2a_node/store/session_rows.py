"""The copies of sessions in Postgres, which outlive an emptied Redis.

A row never goes back: it is written only by a later access of the same session, at a version that is not older, or by a
session that was made after the one before had ended. A deleted session stays for a while as a row with a ttl of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from sqlalchemy import ColumnElement, Executable, RowMapping, and_, delete, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert

from a2a_node.model.state import Session
from a2a_node.model.state_ports import SessionPlace
from a2a_node.store.hot_sessions import REMEMBERED, Record
from a2a_node.store.postgres import Parameters, Postgres
from a2a_node.store.statements import from_now
from a2a_node.store.tables import sessions

SWEPT = 500  # rows deleted at once


class Fetching(Protocol):
    """A transaction, or the pool, where a statement is a transaction of its own."""

    async def fetch(self, statement: Executable, parameters: Parameters | None = None) -> Sequence[RowMapping]:
        """Run one statement and read its rows."""


class SessionRows:
    """Sessions in Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def find(self, session_id: str) -> Record | None:
        """The session as it was persisted last, even when it has ended."""
        return await _found(self._postgres, session_id)

    async def keep(self, record: Record, within: Fetching | None = None) -> Record | None:
        """Persist a session; None when Postgres has it now or has a later access of it, else the row that stands."""
        asked = within or self._postgres
        if await asked.fetch(_upsert(record)):
            return None
        standing = await _found(asked, record.session.id)
        if standing is None or standing.session.last_accessed >= record.session.last_accessed:
            return None
        return standing

    async def list(
        self, now: datetime, *, user_id: str, agent_id: str, after: SessionPlace | None, limit: int
    ) -> Sequence[Session]:
        """Sessions that live at that time, without their data, the newest first."""
        place = tuple_(sessions.c.created_at, sessions.c.session_id)
        columns = [column for column in sessions.c if column is not sessions.c.data]
        query = select(*columns).where(sessions.c.expires_at > now, sessions.c.ttl > 0)
        for column, wanted in ((sessions.c.user_id, user_id), (sessions.c.agent_id, agent_id)):
            if wanted:
                query = query.where(column == wanted)
        if after is not None:
            query = query.where(place < after)
        query = query.order_by(sessions.c.created_at.desc(), sessions.c.session_id.desc()).limit(limit)
        return [_session(row) for row in await self._postgres.fetch(query)]

    async def sweep(self) -> int:
        """Delete some sessions that ended a while ago; how many."""
        ended = select(sessions.c.session_id).where(sessions.c.expires_at < from_now(-REMEMBERED))
        some = ended.limit(SWEPT).with_for_update(skip_locked=True)
        statement = delete(sessions).where(sessions.c.session_id.in_(some)).returning(sessions.c.session_id)
        return len(await self._postgres.fetch(statement))


async def _found(asked: Fetching, session_id: str) -> Record | None:
    rows = await asked.fetch(select(sessions).where(sessions.c.session_id == session_id))
    return Record(_session(rows[0]), rows[0]["last_accessed"]) if rows else None


def _upsert(record: Record) -> Executable:
    row = {
        "session_id": record.session.id,
        "agent_id": record.session.agent_id,
        "user_id": record.session.user_id,
        "data": record.session.data,
        "version": record.session.version,
        "ttl": record.session.ttl,
        "created_at": record.session.created_at,
        "last_accessed": record.session.last_accessed,
        "expires_at": record.session.expires_at,
    }
    statement = insert(sessions).values(row)
    kept = statement.on_conflict_do_update(index_elements=[sessions.c.session_id], set_=row, where=_follows(record))
    return kept.returning(sessions.c.session_id)


def _follows(record: Record) -> ColumnElement[bool]:
    """Whether the session comes after its row.

    The same version may come again, when the session was only read since; but one that was written later than the row
    was last accessed is another's: Redis had lost a version that Postgres has.
    """
    session, row = record.session, sessions.c
    only_read = and_(row.version == session.version, row.last_accessed >= record.written_at)
    same = and_(row.created_at == session.created_at, or_(row.version < session.version, only_read))
    next_one = and_(row.created_at < session.created_at, row.expires_at < session.created_at)
    return and_(row.last_accessed < session.last_accessed, or_(same, next_one))


def _session(row: RowMapping) -> Session:
    return Session(
        id=row["session_id"],
        agent_id=row["agent_id"],
        user_id=row["user_id"],
        data=row.get("data", {}),
        version=row["version"],
        ttl=row["ttl"],
        created_at=row["created_at"],
        last_accessed=row["last_accessed"],
        expires_at=row["expires_at"],
    )
