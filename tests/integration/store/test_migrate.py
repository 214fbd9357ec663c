"""Migrations: a database gets its schema once, whoever starts when."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from a2a_node.cli.checks.schema import in_database
from a2a_node.model.errors import InvalidInput, SchemaUnknown, SettingInvalid, StoreUnavailable
from a2a_node.store.migrate import HEAD, current, downgrade, history, migrated, upgrade
from a2a_node.store.postgres import connected
from a2a_node.store.schema import metadata

LONG = 30.0  # seconds that no test takes
TABLES = text("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
pytestmark = pytest.mark.without_schema

START = """
import asyncio, os, sys
from a2a_node.store.migrate import migrated
asyncio.run(migrated(os.environ["URL"]))
print("alembic" in sys.modules)
"""


def differences(connection: Connection) -> list[object]:
    """What a migration would still have to do."""
    options = {"compare_type": True, "compare_server_default": True}
    return [*compare_metadata(MigrationContext.configure(connection, opts=options), metadata)]


async def tables(url: str) -> list[str]:
    """The tables that there are."""
    async with connected(url, patience=LONG) as postgres:
        return [row["tablename"] for row in await postgres.fetch(TABLES)]


async def test_the_migrations_make_what_the_code_expects(postgres_url: str) -> None:
    """The tables of the code and of a migrated database are the same."""
    await migrated(postgres_url)
    async with connected(postgres_url, patience=LONG) as postgres, postgres.engine.connect() as connection:
        assert await connection.run_sync(differences) == []
    assert await current(postgres_url) == HEAD


async def test_nodes_that_start_at_once_migrate_once(postgres_url: str) -> None:
    """One of them does the work, the others wait for it."""
    await asyncio.gather(*(migrated(postgres_url) for _ in range(4)))
    assert await current(postgres_url) == HEAD
    assert "agents" in await tables(postgres_url)


async def test_a_start_with_nothing_to_do_loads_no_machinery(postgres_url: str) -> None:
    """The question is one plain query; alembic takes a third of a second to load."""
    await migrated(postgres_url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", START, env={**os.environ, "URL": postgres_url}, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    assert (said.strip(), process.returncode) == (b"False", 0)


async def test_a_schema_of_newer_software_is_left_alone(postgres_url: str) -> None:
    """An old node does not start on a database that it does not understand, and does not touch it."""
    await migrated(postgres_url)
    async with connected(postgres_url, patience=LONG) as postgres:
        await postgres.fetch(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(SchemaUnknown) as refused:
        await migrated(postgres_url)
    assert refused.value.variables == {"found": "9999", "newest": HEAD}
    assert await current(postgres_url) == "9999"


async def test_steps_can_be_undone_and_made_again(postgres_url: str) -> None:
    """Down to nothing and up again."""
    await upgrade(postgres_url)
    await downgrade(postgres_url, "base")
    assert await tables(postgres_url) == ["alembic_version"]
    assert await current(postgres_url) == ""
    await upgrade(postgres_url)
    assert await current(postgres_url) == HEAD


async def test_a_step_that_there_is_not_is_refused(postgres_url: str) -> None:
    """The message names those that there are."""
    with pytest.raises(InvalidInput, match=f"base, .*{HEAD}"):
        await upgrade(postgres_url, "9999")


async def test_the_history_says_which_steps_were_made(postgres_url: str) -> None:
    """None before, all after."""
    before = await history(postgres_url)
    await migrated(postgres_url)
    after = await history(postgres_url)
    assert [step.applied for step in before] == [False] * len(before)
    assert [(step.revision, step.applied) for step in after] == [(step.revision, True) for step in before]
    assert after[-1].revision == HEAD
    assert after[0].about.startswith("The registry")


async def test_a_database_that_is_away_is_not_migrated() -> None:
    """Starting without Postgres fails in one word."""
    with pytest.raises(StoreUnavailable):
        await migrated("postgresql://ann:secret@127.0.0.1:1/none")


@pytest.fixture
def strangers_url(postgres_url: str, administer: Callable[[str], None]) -> Iterator[str]:
    """The test's own database, for a role without rights."""
    name, password, parts = f"stranger_{uuid4().hex}", uuid4().hex, urlsplit(postgres_url)
    administer(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    yield parts._replace(netloc=f"{name}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()
    administer(f"DROP ROLE {name}")


async def test_a_role_without_rights_is_told_what_it_needs(postgres_url: str, strangers_url: str) -> None:
    """To make the schema as well as to read it; a node that starts says so, and `doctor`."""
    with pytest.raises(SettingInvalid, match=r"postgres_url: its role may not read or make .*GRANT"):
        await migrated(strangers_url)
    await migrated(postgres_url)
    with pytest.raises(SettingInvalid, match="GRANT"):
        await current(strangers_url)
    finding = await in_database(strangers_url)
    assert (finding.state, finding.advice) == ("fail", "correct A2A_POSTGRES_URL, or the rights of its role")
