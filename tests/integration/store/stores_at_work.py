"""What the tests of the embedded stores do with them: own them, write, read, look for processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import psutil
from redis.asyncio import Redis
from redis.exceptions import RedisError

from a2a_node.store.embedded import StoreAddresses, embedded, held

OWNER = Path(__file__).with_name("owner.py")
SECONDS = 60  # bounds every wait; no test needs a tenth of it


@asynccontextmanager
async def running(data_dir: Path) -> AsyncIterator[StoreAddresses]:
    """The stores of a directory, owned by the test itself."""
    with held(data_dir) as directory:
        async with asyncio.timeout(SECONDS), embedded(directory) as addresses:
            yield addresses


@asynccontextmanager
async def owner(data_dir: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process that starts to own the stores of a directory; it ends in peace with the block, or was killed before."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(OWNER),
        str(data_dir),
        env={**os.environ, **environment},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        async with asyncio.timeout(SECONDS):
            yield process
    finally:
        await process.communicate(b"")


async def addresses_of(process: asyncio.subprocess.Process) -> StoreAddresses:
    """Where the stores of an owner answer, once they do."""
    assert process.stdout
    return StoreAddresses(**json.loads(await process.stdout.readline()))


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that tells nobody when it happens."""
    async with asyncio.timeout(SECONDS):
        while not condition():  # noqa: ASYNC110  it has no event
            await asyncio.sleep(0.001)


def secrets_of(data_dir: Path) -> list[dict[str, object]]:
    """What the directory keeps for each store: `port` and `password`."""
    return [json.loads(file.read_bytes()) for file in sorted(data_dir.glob("*.secret"))]


def processes(data_dir: Path, name: str = "") -> list[psutil.Process]:
    """The processes that work inside the directory."""
    found = psutil.process_iter(["cwd", "name", "ppid", "uids"])
    return [it for it in found if Path(it.info["cwd"] or "/").is_relative_to(data_dir) and name in it.info["name"]]


def server(data_dir: Path, name: str) -> psutil.Process:
    """The process of a store that started the others of it."""
    found = processes(data_dir, name)
    pids = {process.pid for process in found}
    return next(process for process in found if process.info["ppid"] not in pids)


async def write(addresses: StoreAddresses, value: str) -> None:
    """Commit one row and one key."""
    connection = await asyncpg.connect(addresses.postgres_url)
    await connection.execute("CREATE TABLE IF NOT EXISTS kept (value text)")
    await connection.execute("INSERT INTO kept VALUES ($1)", value)
    await connection.close()
    async with Redis.from_url(addresses.redis_url) as client:
        await client.rpush("kept", value)


async def read(addresses: StoreAddresses) -> tuple[list[str], list[str]]:
    """All rows and elements that were written."""
    connection = await asyncpg.connect(addresses.postgres_url)
    rows = [str(row["value"]) for row in await connection.fetch("SELECT value FROM kept")]
    await connection.close()
    async with Redis.from_url(addresses.redis_url, decode_responses=True) as client:
        return rows, [str(element) for element in await client.lrange("kept", 0, -1)]


async def read_again(addresses: StoreAddresses) -> tuple[list[str], list[str]]:
    """The same, from stores of which one is just being started again."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                return await read(addresses)
            except (OSError, RedisError, asyncpg.PostgresError, asyncpg.InterfaceError):
                await asyncio.sleep(0.02)
