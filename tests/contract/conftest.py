"""Fixtures of the contract suites: every one of them runs against the twin in memory and against the real store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from redis import Redis

from a2a_node.store.embedded import StoreAddresses
from tests import clusters
from tests.contract import states
from tests.contract.registries import House, housed
from tests.seeds import TEMPLATE


@pytest.fixture(params=["memory", "postgres"])
def registry_url(request: pytest.FixtureRequest) -> str | None:
    """Where the registry is; None in memory. Not asynchronous, for what it asks for runs a loop of its own."""
    return str(request.getfixturevalue("postgres_url")) if request.param == "postgres" else None


@pytest.fixture
async def house(registry_url: str | None) -> AsyncIterator[House]:
    """A registry with nothing in it."""
    async with housed(registry_url) as opened:
        yield opened


@pytest.fixture(scope="session")
def state_database(stores: StoreAddresses, administer: Callable[[str], None]) -> str:
    """A database that all tests of shared state use, one after the other."""
    administer(f"CREATE DATABASE states TEMPLATE {TEMPLATE}")
    return urlsplit(stores.postgres_url)._replace(path="/states").geturl()


@pytest.fixture(scope="session")
def cluster(open_folder: Path) -> Iterator[str]:
    """A Redis Cluster that all tests of the session share."""
    with asyncio.Runner() as runner:
        house, folder = AsyncExitStack(), open_folder / "cluster"
        folder.mkdir()
        try:
            yield runner.run(house.enter_async_context(clusters.cluster(folder)))
        finally:
            runner.run(house.aclose())


@pytest.fixture
def cluster_url(cluster: str) -> str:
    """The shared cluster, empty."""
    with Redis.from_url(cluster) as client:
        client.flushall()
    return cluster


@pytest.fixture(params=["memory", "redis", "cluster"])
def state_urls(request: pytest.FixtureRequest) -> tuple[str, str] | None:
    """Where Redis and Postgres are; None in memory. Not asynchronous, as above."""
    if request.param == "memory":
        return None
    return request.getfixturevalue(f"{request.param}_url"), request.getfixturevalue("state_database")


@pytest.fixture
async def state_house(state_urls: tuple[str, str] | None) -> AsyncIterator[states.House]:
    """Stores of shared state with nothing in them."""
    if state_urls is None:
        yield states.MemoryHouse()
        return
    async with states.housed(*state_urls) as opened:
        yield opened
