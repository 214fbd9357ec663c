"""A process with many directories, each of which hears of every change by itself, as that of a node does.

`python -m tests.bench.listeners` on the database that the environment names says how many they are and, told a
revision, when each knew of which one. They listen on a connection each and read each change by themselves, over a few
that they share. None of them holds what was there before it began, for which there is no room; a change costs the same.
"""

from __future__ import annotations

import json
import os
from contextlib import AsyncExitStack

import uvloop
from sqlalchemy import select

from a2a_node.mesh.directory import Directory
from a2a_node.model.registry_ports import Snapshot
from a2a_node.store.postgres import Postgres, connected
from a2a_node.store.registry import PostgresRegistry
from a2a_node.store.tables import registry_revision
from tests.bench.child import URL
from tests.bench.follower import PATIENCE, heard

MANY = 50  # directories of a process
LINES = 4  # connections that they read over


class FromNow(PostgresRegistry):
    """The registry for a directory that begins with nothing."""

    def __init__(self, postgres: Postgres) -> None:
        super().__init__(postgres)
        self._begins = postgres

    async def snapshot(self) -> Snapshot:
        """Nothing, as of now."""
        rows = await self._begins.fetch(select(registry_revision.c.revision))
        return Snapshot(int(rows[0]["revision"]), (), (), ())


async def main() -> None:
    """Listen, say so, note what is heard, and tell it."""
    async with AsyncExitStack() as house:
        postgres = await house.enter_async_context(connected(os.environ[URL], pool_size=LINES, patience=PATIENCE))
        directories = [await house.enter_async_context(Directory.following(FromNow(postgres))) for _ in range(MANY)]
        print(json.dumps({"listeners": len(directories)}), flush=True)  # noqa: T201 - the parent reads it
        print(json.dumps(await heard(directories)))  # noqa: T201 - the parent reads it


if __name__ == "__main__":
    uvloop.run(main())
