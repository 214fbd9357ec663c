"""The schema is brought up to date by a process that ends, and what goes wrong there is heard here."""

from __future__ import annotations

import asyncpg
import pytest

from a2a_node.model.errors import SchemaUnknown, StoreUnavailable
from a2a_node.store.migrate import HEAD, current
from a2a_node.store.upgrading import migrated

pytestmark = pytest.mark.without_schema


async def test_an_empty_database_gets_its_schema_and_a_current_one_is_left_alone(postgres_url: str) -> None:
    """Twice is once."""
    for _ in range(2):
        await migrated(postgres_url)
        assert await current(postgres_url) == HEAD


async def test_a_schema_of_newer_software_is_named(postgres_url: str) -> None:
    """By the same error as in this process."""
    await migrated(postgres_url)
    link = await asyncpg.connect(postgres_url, ssl=False)
    await link.execute("UPDATE alembic_version SET version_num = '9999'")
    await link.close()
    with pytest.raises(SchemaUnknown, match="9999"):
        await migrated(postgres_url)


async def test_a_database_that_is_away_is_named() -> None:
    """Before any process is started."""
    with pytest.raises(StoreUnavailable):
        await migrated("postgresql://a2a:secret@127.0.0.1:1/a2a")
