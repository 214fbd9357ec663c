"""Limits in Postgres: how fast whose buckets may be emptied. One change at a time in the mesh, heard by every node."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager

from sqlalchemy import RowMapping, delete, func, select
from sqlalchemy.dialects.postgresql import insert

from a2a_node.model.errors import InvalidInput
from a2a_node.model.limit_ports import LimitBook
from a2a_node.model.limits import MOST_LIMITS, Limit, LimitKey, Rate
from a2a_node.store.locks import Lock
from a2a_node.store.numbered import Kind, Numbered
from a2a_node.store.postgres import Postgres
from a2a_node.store.tables import limits

KIND = Kind(Lock.LIMITS, counter="limits_revision", channel="a2a_limits")
COUNT = select(func.count().label("count")).select_from(limits)


class PostgresLimits:
    """The port `Limits` on Postgres."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres
        self._numbered = Numbered(postgres, KIND)

    async def put(self, key: LimitKey, rate: Rate, by: str) -> tuple[Limit, int]:
        """Set the limit of a key, in place of the one there."""
        said = {"rate": rate.rate, "burst": rate.burst, "updated_by": by, "updated_at": func.clock_timestamp()}
        entered = insert(limits).values(**key._asdict(), **said)
        entered = entered.on_conflict_do_update(index_elements=list(LimitKey._fields), set_=said)
        async with self._numbered.change() as change:
            row = (await change.fetch(entered.returning(limits)))[0]
            check_room((await change.fetch(COUNT))[0]["count"])
            return _limit(row), await self._numbered.note(change)

    async def remove(self, key: LimitKey) -> tuple[bool, int]:
        """Forget the limit of a key."""
        named = [limits.c[part] == name for part, name in key._asdict().items()]
        async with self._numbered.change() as change:
            gone = await change.fetch(delete(limits).where(*named).returning(limits.c.rate))
            return bool(gone), await self._numbered.note(change) if gone else await self._numbered.revision(change)

    async def snapshot(self) -> LimitBook:
        """All limits."""
        async with self._postgres.reading() as transaction:
            revision = await self._numbered.revision(transaction)
            return LimitBook(revision, [_limit(row) for row in await transaction.fetch(select(limits))])

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of new revisions as they are committed."""
        return self._numbered.heard()


def check_room(count: int) -> None:
    """InvalidInput when there are more limits than every node should have in memory."""
    if count > MOST_LIMITS:
        raise InvalidInput("key", f"is one more than the {MOST_LIMITS:,} limits that can be set; name fewer keys")


def _limit(row: RowMapping) -> Limit:
    key = LimitKey(row["principal"], row["agent"], row["capability"])
    rate = Rate(row["rate"], row["burst"])
    return Limit(key, rate, updated_by=row["updated_by"], updated_at=row["updated_at"])
