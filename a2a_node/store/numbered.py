"""Numbered changes: one at a time in the whole mesh, each with a revision that is told to all, in commit order."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import text

from a2a_node.store.locks import Lock
from a2a_node.store.postgres import Parameters, Postgres, Transaction
from a2a_node.store.revisions import QUIET, listening
from a2a_node.store.turns import Turns


@dataclass(frozen=True, slots=True)
class Kind:
    """What changes."""

    lock: Lock
    counter: str  # the table whose one row is the revision
    channel: str  # where revisions are told
    stamp: str = ""  # an UPDATE that writes `next.revision` to the rows that changed


class Numbered:
    """The changes of one kind."""

    def __init__(self, postgres: Postgres, kind: Kind) -> None:
        self._postgres = postgres
        self._turns = Turns()
        self._channel = kind.channel
        self._lock = kind.lock.held()
        self._read = text(f"SELECT revision FROM {kind.counter}")  # noqa: S608  # constants of the house
        stamped = f", stamped AS ({kind.stamp})" if kind.stamp else ""
        # one round trip, while everybody else waits: number the change, stamp what changed, tell all
        self._note = text(f"""
            WITH next AS (UPDATE {kind.counter} SET revision = revision + 1 RETURNING revision){stamped}
            SELECT revision, pg_notify('{kind.channel}', revision::text) FROM next
        """)  # noqa: S608  # as above

    @asynccontextmanager
    async def change(self) -> AsyncIterator[Transaction]:
        """A transaction that no other change of this kind overlaps, here or anywhere."""
        async with self._turns.taken(), self._postgres.writing() as transaction:
            await transaction.fetch(self._lock)
            yield transaction

    async def note(self, change: Transaction, changed: Parameters | None = None) -> int:
        """Give the change its revision, once and last; `changed` says to the stamp which rows."""
        return int((await change.fetch(self._note, changed))[0]["revision"])

    async def revision(self, transaction: Transaction) -> int:
        """That of the newest change."""
        return int((await transaction.fetch(self._read))[0]["revision"])

    def heard(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of new revisions as they are committed."""
        return listening(self._postgres.dial, QUIET, self._channel)
