"""Fixtures of the contract suites: every one of them runs against the twin in memory and against the real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from urllib.parse import urlsplit

import pytest

from a2a_node.store.embedded import StoreAddresses
from a2a_node.store.migrate import migrated
from tests.contract.registries import House, housed


@pytest.fixture(scope="session")
def migrated_template(stores: StoreAddresses, administer: Callable[[str], None]) -> str:
    """A database with the schema, which the tests' own are copied from."""
    administer("CREATE DATABASE migrated TEMPLATE template0")
    with asyncio.Runner() as runner:
        runner.run(migrated(urlsplit(stores.postgres_url)._replace(path="/migrated").geturl()))
    return "migrated"


@pytest.fixture(params=["memory", "postgres"])
def registry_url(request: pytest.FixtureRequest) -> str | None:
    """Where the registry is; None in memory. Not asynchronous, for what it asks for runs a loop of its own."""
    return str(request.getfixturevalue("postgres_url")) if request.param == "postgres" else None


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[House]:
    """A registry with nothing in it."""
    async with housed(registry_url) as opened:
        yield opened
