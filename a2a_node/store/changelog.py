"""How the registry changes: one change at a time in the whole mesh, each with a revision that everybody hears of.

A serial number is not commit order: a reader who saw 11 could miss a 10 that commits later. Registry changes are rare,
so they take one lock, hold it until they are committed, and count on a row.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager

from sqlalchemy import Executable, RowMapping, delete, text

from a2a_node.store.locks import Lock
from a2a_node.store.postgres import Postgres, Transaction
from a2a_node.store.statements import CHANNEL
from a2a_node.store.tables import registry_changes
from a2a_node.store.turns import Turns

KEPT = 10_000  # revisions that `changes` can go back
PRUNE_EVERY = 100  # revisions

# one round trip, while everybody else waits: number the change, stamp what changed, write its names down, tell all
NOTE = text(f"""
WITH next AS (
  UPDATE registry_revision SET revision = revision + 1 RETURNING revision
), names (kind, key) AS (
  SELECT 'agent', unnest(CAST(:agents AS text[])) UNION ALL SELECT 'node', unnest(CAST(:nodes AS text[]))
), stamped_agents AS (
  UPDATE agents SET revision = next.revision, updated_at = clock_timestamp()
  FROM next, names WHERE kind = 'agent' AND name = key
), stamped_nodes AS (
  UPDATE nodes SET revision = next.revision FROM next, names WHERE kind = 'node' AND id = key
), noted AS (
  INSERT INTO registry_changes (kind, key, revision) SELECT kind, key, revision FROM next, names
  ON CONFLICT (kind, key) DO UPDATE SET revision = excluded.revision
)
SELECT revision, pg_notify('{CHANNEL}', revision::text) FROM next
""")  # noqa: S608  # a constant of this module


class ChangeLog:
    """The door to changing the registry."""

    def __init__(self, postgres: Postgres, kept: int = KEPT) -> None:
        self._postgres = postgres
        self._turns = Turns()
        self.kept = kept

    @asynccontextmanager
    async def change(self) -> AsyncIterator[Transaction]:
        """A transaction that no other change of the registry overlaps, here or anywhere."""
        async with self._turns.taken(), self._postgres.writing() as transaction:
            await transaction.fetch(Lock.REGISTRY.held())
            yield transaction

    async def single(self, statement: Executable, parameters: Mapping[str, object]) -> Sequence[RowMapping]:
        """A change that is one statement, which takes the lock and notes itself, `revision` in its rows."""
        async with self._turns.taken():
            rows = await self._postgres.fetch(statement, parameters)
            if rows and self._due(rows[0]["revision"]):
                await self._postgres.fetch(self._prune(rows[0]["revision"]))
            return rows

    async def note(self, transaction: Transaction, agents: Iterable[str] = (), nodes: Iterable[str] = ()) -> int:
        """Give the change its revision, once and last; the names of agents and nodes that it touched."""
        names = {"agents": sorted(set(agents)), "nodes": sorted(set(nodes))}
        revision = int((await transaction.fetch(NOTE, names))[0]["revision"])
        if self._due(revision):
            await transaction.fetch(self._prune(revision))
        return revision

    def _due(self, revision: int) -> bool:
        return revision % PRUNE_EVERY == 0

    def _prune(self, revision: int) -> Executable:
        return delete(registry_changes).where(registry_changes.c.revision <= revision - self.kept)
