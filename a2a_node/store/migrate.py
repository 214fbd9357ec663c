"""The schema of a database, brought up to date by migrations that travel with the code.

A start asks one plain question and imports the machinery of migrations only when the answer is not HEAD. Several nodes
may start at once: one migrates, the others wait for it. A migration is one transaction, all of it or nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import asyncpg
from sqlalchemy import Connection, NullPool
from sqlalchemy.ext.asyncio.engine import create_async_engine

from a2a_node.store.driver import Dial, permitted, translated
from a2a_node.store.locks import Lock

HEAD = "0015"
PATIENCE = 5.0  # seconds to connect
LONGEST = 300.0  # seconds that all migrations together may take, waiting for another node's included


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema, and whether the database has made it."""

    revision: str
    about: str
    applied: bool


async def migrated(url: str) -> None:
    """Bring the schema up to date; SchemaUnknown when it is newer than this software."""
    if await current(url) != HEAD:
        await upgrade(url)


async def current(url: str) -> str:
    """The revision of the database's schema, empty when it has none; SettingInvalid when its role may not read it."""
    async with translated(), permitted():
        link = await Dial(url, PATIENCE)()
        try:
            return str(await link.fetchval("SELECT version_num FROM alembic_version", timeout=PATIENCE) or "")
        except asyncpg.UndefinedTableError:
            return ""
        finally:
            link.terminate()


async def upgrade(url: str, revision: str = HEAD) -> None:
    """Make the steps up to a revision; SchemaUnknown when it is newer than this software, SettingInvalid as above."""
    from a2a_node.store import steps  # noqa: PLC0415  # slow to import, and a start seldom needs it

    await _changed(url, steps.upgrade, revision)


async def downgrade(url: str, revision: str) -> None:
    """Undo the steps after a revision, all of them after `base`. What their tables held is lost."""
    from a2a_node.store import steps  # noqa: PLC0415  # as above

    await _changed(url, steps.downgrade, revision)


async def history(url: str) -> Sequence[Migration]:
    """All steps that this software knows, the first one first."""
    from a2a_node.store import steps  # noqa: PLC0415  # as above

    found, known = await current(url), steps.known()
    made = next((number for number, step in enumerate(known, 1) if step.revision == found), 0)
    return [Migration(step.revision, step.doc, number <= made) for number, step in enumerate(known, 1)]


async def _changed(url: str, change: Callable[[Connection, str], None], revision: str) -> None:
    engine = create_async_engine("postgresql+asyncpg://", async_creator=Dial(url, PATIENCE), poolclass=NullPool)
    async with translated(), permitted(), asyncio.timeout(LONGEST), engine.begin() as connection:
        await connection.execute(Lock.MIGRATION.held())
        await connection.run_sync(change, revision)
