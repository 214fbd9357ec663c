"""The agent itself: dump, rehearse, restore, revert."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, Field

from a2a_node.agent import Agent, AgentRefused, Context
from a2a_node.model.call import Terms
from a2a_node.model.errors import InvalidInput
from a2a_node.model.ops_ports import Deed, Deputy
from a2a_node.model.principal import Principal
from a2a_node.ops.database import restoring
from a2a_node.ops.database.access import Databases
from a2a_node.ops.database.content import Content, Manifest, measured
from a2a_node.ops.workplace import Workplace

BACKUPS = "backups"
MOST_MANIFEST = 16 * 1024 * 1024
MESH = "mesh"  # the database that the nodes themselves run on
READ = Deed("/a2amesh.v1.AccessService/ListKeys", "database:mesh")

Name = Annotated[str, Field(max_length=63, description="A database, by its name in A2A_OPS_DATABASES, or `mesh`.")]
Dump = Annotated[str, Field(max_length=1000, description="A dump in the workspace.")]
Beside = Annotated[str, Field(max_length=1000, description="Its manifest in the workspace.")]


class Dumped(BaseModel):
    """A dump."""

    path: Annotated[str, Field(description="Where it lies in the workspace.")]
    manifest: Annotated[str, Field(description="The file that says what it holds: rows and a digest for each table.")]
    bytes: Annotated[int, Field(description="Its size.")]
    sha256: Annotated[str, Field(description="Its digest, hexadecimal.")]
    tables: Annotated[int, Field(description="How many tables it has.")]
    rows: Annotated[int, Field(description="How many rows they have.")]
    digest: Annotated[str, Field(description="The digest of what they hold, hexadecimal.")]


class Compared(BaseModel):
    """A database that holds just what was dumped."""

    tables: Annotated[int, Field(description="How many tables it has.")]
    rows: Annotated[int, Field(description="How many rows they have.")]
    digest: Annotated[str, Field(description="The digest of what they hold, as in the manifest.")]


class Restored(Compared):
    """A database that was restored."""

    previous: Annotated[str, Field(description="What was there before, kept on the server by this name.")]


class Reverted(BaseModel):
    """What came of a way back."""

    changed: Annotated[bool, Field(description="Whether what was there before was still there, and is again.")]


def made(workplace: Workplace, urls: Mapping[str, str], deputy: Deputy) -> Agent:
    """The agent; `urls` are the databases by name, secrets with them.

    The mesh's own database holds grants and keys, so it is read for those alone who may read these themselves.
    """
    databases = Databases(urls)
    agent = Agent(
        "database",
        version="1.0.0",
        description="Dumps Postgres databases, proves that dumps can be restored, and restores them.",
        category="operations",
        tags=("built-in", "ops"),
    )

    async def check(database: str, context: Context) -> None:
        if database == MESH:
            await deputy.act(READ, Terms(context.token, context.time_left()), _nothing)

    @agent.capability(limit="1/s burst 10")
    async def dump(database: Name, context: Context) -> Dumped:
        """Dump a database, and measure what it holds in the same snapshot."""
        await check(database, context)
        path = await workplace.fresh(BACKUPS) / "database.dump"
        content = await _dumped(workplace, databases, database, path)
        sha256, size = await asyncio.to_thread(_digest, path)
        manifest = Manifest(database, datetime.now(UTC).isoformat(timespec="milliseconds"), sha256, size, content)
        beside = path.with_name("manifest.json")
        await workplace.write("manifest", workplace.told(beside), manifest.written())
        return Dumped(
            path=workplace.told(path),
            manifest=workplace.told(beside),
            bytes=size,
            sha256=sha256,
            **_compared(content).model_dump(),
        )

    @agent.capability(idempotent=True, limit="1/s burst 10")
    async def rehearse(database: Name, path: Dump, manifest: Beside, context: Context) -> Compared:
        """Restore a dump into a scratch database of the same server, and compare it with the manifest.

        CONTENT_DIFFERS names the tables that are not what was dumped. The scratch database goes in any case.
        """
        await check(database, context)
        dumped, known = await _read(workplace, path, manifest)
        async with restoring.scratch(databases, database) as fresh:
            found = await restoring.fill(databases, workplace, (database, fresh), dumped)
        known.content.check(found)
        return _compared(found)

    @agent.capability(idempotent=True, limit="1/s burst 10")
    async def restore(database: Name, path: Dump, manifest: Beside) -> Restored:
        """Put a dump in the place of a database, once it is restored beside it and found to be what was dumped.

        Whoever uses the database is sent away for a moment; what was there is kept by another name.
        """
        if database == MESH:
            raise InvalidInput("input.database", "is what the nodes run on; stop them, and restore it with pg_restore")
        dumped, known = await _read(workplace, path, manifest)
        previous = await restoring.restored_before(databases, database, known)
        if not previous:
            async with restoring.scratch(databases, database) as fresh:
                known.content.check(await restoring.fill(databases, workplace, (database, fresh), dumped))
                previous = await restoring.replaced(databases, database, fresh, known)
        return Restored(previous=previous, **_compared(known.content).model_dump())

    @agent.capability(idempotent=True)
    async def compare(database: Name, manifest: Beside, context: Context) -> Compared:
        """Compare a database with a manifest; CONTENT_DIFFERS names the tables that are not the same."""
        await check(database, context)
        known = Manifest.read("input.manifest", await workplace.read("input.manifest", manifest, MOST_MANIFEST))
        async with databases.connected(database) as connection:
            found = await measured(connection)
        known.content.check(found)
        return _compared(found)

    @agent.capability(idempotent=True)
    async def revert(
        database: Name,
        previous: Annotated[str, Field(max_length=63, description="What was there before, as `restore` has told.")],
    ) -> Reverted:
        """Have what was there before a restore take its place again; what was restored is kept by another name."""
        return Reverted(changed=await restoring.reverted(databases, database, previous))

    return agent


async def _nothing(_: Principal) -> None:
    """What there is to do once it is known that the callers may."""


async def _dumped(workplace: Workplace, databases: Databases, name: str, path: Path) -> Content:
    """Dump a database into a file; what it held in the snapshot that was dumped."""
    async with (
        databases.connected(name) as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        snapshot = await connection.fetchval("SELECT pg_export_snapshot()")
        content = await measured(connection)
        argv = ["pg_dump", "--format=custom", "--compress=none", f"--snapshot={snapshot}", f"--file={path}"]
        await databases.ran(workplace, argv, (name, ""), workplace.limits.seconds)
    return content


async def _read(workplace: Workplace, path: str, manifest: str) -> tuple[Path, Manifest]:
    """A dump and its manifest; AgentRefused when they do not belong together, InvalidInput."""
    dumped = workplace.path("input.path", path)
    if not dumped.is_file():
        raise InvalidInput("input.path", f"{path[:80]!r} is not there; nodes with ops agents must share a workspace")
    known = Manifest.read("input.manifest", await workplace.read("input.manifest", manifest, MOST_MANIFEST))
    if (await asyncio.to_thread(_digest, dumped))[0] != known.sha256:
        raise AgentRefused("the dump is not the one of its manifest: their digests differ", reason="CONTENT_DIFFERS")
    return dumped, known


def _digest(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size


def _compared(content: Content) -> Compared:
    return Compared(tables=len(content.tables), rows=content.rows, digest=content.digest)
