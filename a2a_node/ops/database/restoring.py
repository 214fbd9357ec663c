"""Restoring: always beside what is there; a database takes another one's place by its name, in one transaction."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg

from a2a_node.agent import AgentRefused
from a2a_node.model.errors import InvalidInput
from a2a_node.ops.database.access import Databases
from a2a_node.ops.database.content import Content, Manifest, measured
from a2a_node.ops.workplace import Workplace

SCRATCH = "a2a_scratch"
STALE = 86_400  # seconds after which a scratch database belongs to a node that was killed
MARK = "a2a restored {sha256} before {previous}"
MARKED = re.compile(r"a2a restored ([0-9a-f]{64}) before (\S*)")


@asynccontextmanager
async def scratch(databases: Databases, name: str) -> AsyncIterator[str]:
    """A new database on the server of one; it goes with the block, unless it has another name by then."""
    made = f"{SCRATCH}_{int(time.time())}_{secrets.token_hex(4)}"
    async with databases.connected(name) as connection:
        await _sweep(connection)
        await connection.execute(f"CREATE DATABASE {made} TEMPLATE template0")
    try:
        yield made
    finally:
        with suppress(AgentRefused):  # swept by the next one otherwise
            async with databases.connected(name) as connection:
                await connection.execute(f"DROP DATABASE IF EXISTS {made} WITH (FORCE)")


async def fill(databases: Databases, workplace: Workplace, at: tuple[str, str], dump: Path) -> Content:
    """Restore a dump into a database of a server, and say what is there then; AgentRefused."""
    argv = ["pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", f"--dbname={at[1]}", str(dump)]
    await databases.ran(workplace, argv, at, workplace.limits.seconds)
    async with databases.connected(*at) as connection:
        return await measured(connection)


async def replaced(databases: Databases, name: str, fresh: str, manifest: Manifest) -> str:
    """Have a restored database take the place of one; the name of what was there, which is kept. AgentRefused."""
    target = databases.called(name)
    previous = f"{target[:40]}_before_{int(time.time())}_{secrets.token_hex(2)}"
    mark = MARK.format(sha256=manifest.sha256, previous=previous)
    await _swapped(databases, name, (target, previous, fresh), mark)
    return previous


async def reverted(databases: Databases, name: str, previous: str) -> bool:
    """Have what was there before take its place again; whether it was still there. What is there goes aside."""
    target = databases.called(name)
    if not re.fullmatch(rf"{re.escape(target[:40])}_before_[0-9]+_[0-9a-f]{{4}}", previous):
        raise InvalidInput("input.previous", f"{previous[:80]!r} is not what was there before {name!r}")
    async with databases.connected(name, "postgres") as connection:
        there = await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", previous)
    if there:
        aside = f"{target[:40]}_failed_{int(time.time())}_{secrets.token_hex(2)}"
        await _swapped(databases, name, (target, aside, previous), "")
    return bool(there)


async def restored_before(databases: Databases, name: str, manifest: Manifest) -> str:
    """What was there before, when the database is what the same dump was restored to and nothing has changed since.

    A step whose node died is done again, and would put aside what it has restored itself.
    """
    async with databases.connected(name) as connection:
        query = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = current_database()"
        found = MARKED.fullmatch(await connection.fetchval(query) or "")
        if found is None or found[1] != manifest.sha256 or manifest.content.differences(await measured(connection)):
            return ""
    return found[2]


async def _swapped(databases: Databases, name: str, names: tuple[str, str, str], mark: str) -> None:
    said = mark.replace("'", "''")
    target, aside, fresh = ('"' + each.replace('"', '""') + '"' for each in names)
    async with databases.connected(name, "postgres") as connection:
        # nobody new may come in between: those who are there are sent away, and a database with guests has its name
        await connection.execute(f"ALTER DATABASE {target} ALLOW_CONNECTIONS false")
        try:
            for each in names[0], names[2]:
                await connection.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = $1", each
                )
            async with connection.transaction():
                await connection.execute(f"ALTER DATABASE {target} RENAME TO {aside}")
                await connection.execute(f"ALTER DATABASE {fresh} RENAME TO {target}")
                await connection.execute(f"COMMENT ON DATABASE {target} IS '{said}'")
        except BaseException:
            await connection.execute(f"ALTER DATABASE {target} ALLOW_CONNECTIONS true")
            raise
        await connection.execute(f"ALTER DATABASE {aside} ALLOW_CONNECTIONS true")


async def _sweep(connection: asyncpg.Connection) -> None:
    """Drop what was left by those who were killed."""
    for row in await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'a2a\\_scratch\\_%'"):
        found = re.fullmatch(rf"{SCRATCH}_(\d+)_[0-9a-f]+", row["datname"])
        if found and time.time() - int(found[1]) > STALE:
            await connection.execute(f"DROP DATABASE IF EXISTS {row['datname']} WITH (FORCE)")
