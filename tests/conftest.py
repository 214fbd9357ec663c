"""Fixtures of all tests: one embedded Postgres and Valkey for the session, and clean corners of them for each test."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Generator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
import structlog
from hypothesis import HealthCheck, settings
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from a2a_node.store.embedded import StoreAddresses, embedded, held
from tests import seeds
from tests.corners import Corner, database, emptied

# Where Python is told not to keep what it has compiled, every process of the tests would compile all modules again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# A process has one for good: without this, whichever node traces first would set its own for all tests that follow.
trace.set_tracer_provider(TracerProvider(shutdown_on_exit=False))

# No test depends on how fast the machine is, nor does the making of its examples.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A temporary folder that the stores' own user may enter, which pytest's are not when root runs it."""
    folder = Path(tempfile.mkdtemp(prefix="a2a-node-"))
    folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def data_dir(open_folder: Path) -> Iterator[Path]:
    """The path of a data directory that does not exist yet."""
    path = open_folder / uuid.uuid4().hex
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def stores(open_folder: Path) -> Iterator[StoreAddresses]:
    """A Postgres and a Valkey that all tests of the session share."""
    seeds.sow(open_folder / "stores")
    with asyncio.Runner() as runner, held(open_folder / "stores") as directory:
        house = AsyncExitStack()
        try:
            addresses = runner.run(house.enter_async_context(embedded(directory)))
            runner.run(_never_flushed(addresses.postgres_url))
            yield addresses
        finally:
            runner.run(house.aclose())


async def _never_flushed(postgres_url: str) -> None:
    """Leave to the system when it writes to its disk: what no test takes away, it still has when Postgres dies."""
    connection = await asyncpg.connect(postgres_url, ssl=False)
    for setting in ("fsync", "full_page_writes"):
        await connection.execute(f"ALTER SYSTEM SET {setting} = off")
    await connection.execute("SELECT pg_reload_conf()")
    await connection.close()


@pytest.fixture(scope="session")
def administer(stores: StoreAddresses) -> Iterator[Callable[[str], None]]:
    """Run a statement on the shared Postgres, outside of every test's event loop and database."""
    with asyncio.Runner() as runner:
        connection = runner.run(asyncpg.connect(stores.postgres_url, ssl=False))
        yield lambda statement: runner.run(connection.execute(statement))
        runner.run(connection.close())


@pytest.fixture
def postgres_url(
    request: pytest.FixtureRequest, stores: StoreAddresses, administer: Callable[[str], None]
) -> Iterator[str]:
    """A database of the test's own, with the schema unless it asks for none."""
    bare = request.node.get_closest_marker("without_schema") is not None
    with database(stores, administer, bare=bare) as url:
        yield url


@pytest.fixture
def redis_url(stores: StoreAddresses) -> str:
    """The shared Valkey, empty."""
    return emptied(stores.redis_url)


@pytest.fixture(scope="module")
def corner(stores: StoreAddresses, administer: Callable[[str], None]) -> Iterator[Corner]:
    """A database for all tests of a file, and the shared Valkey: none of them may ask for an empty one meanwhile."""
    with database(stores, administer) as url:
        yield Corner(url, emptied(stores.redis_url))


def pytest_collection_finish() -> None:
    """What was collected stays to the end: garbage is not looked for in all of it again and again."""
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a test that skips has not been run, and nobody would notice: there it fails."""
    report = yield
    if os.environ.get("CI") and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped, which CI does not allow: {report.longrepr}"
    return report


@pytest.fixture
def quiet_afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Logging as it was; loggers that were first used meanwhile would keep this form for good, were they cached."""
    configure = structlog.configure
    uncached = {"cache_logger_on_first_use": False}
    monkeypatch.setattr(structlog, "configure", lambda **given: configure(**{**given, **uncached}))
    root, ours = logging.getLogger(), logging.getLogger("a2a_node")
    before = (root.handlers[:], root.level, ours.level)
    yield
    root.handlers[:], level, our_level = before
    root.setLevel(level)
    ours.setLevel(our_level)
    structlog.reset_defaults()
