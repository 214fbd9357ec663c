"""What the embedded Valkey has answered, and the disk: a kill loses none of it, a loss of power at most a second."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic

import pytest
from redis.asyncio import Redis
from redis.exceptions import RedisError

from a2a_node.store.embedded import held, valkey
from a2a_node.store.embedded.access import Access, new_access
from a2a_node.store.embedded.valkey import Valkey, synced
from tests.integration.store.stores_at_work import SECONDS, running, until, write
from tests.preloads import built

SLOW = 3  # seconds that a sync takes on the slow disk
SLOW_DISK = f"""
#define _GNU_SOURCE
#include <sys/syscall.h>
#include <unistd.h>

int fdatasync(int file) {{ sleep({SLOW}); return syscall(SYS_fdatasync, file); }}
int fsync(int file) {{ sleep({SLOW}); return syscall(SYS_fsync, file); }}
"""


@asynccontextmanager
async def valkey_killed(data_dir: Path, access: Access, environ: Mapping[str, str]) -> AsyncIterator[Redis]:
    """A Valkey as a node configures it, which is killed at the end of the block."""
    with held(data_dir) as directory:
        room = directory.room("valkey")
        process = await asyncio.create_subprocess_exec(
            *await Valkey(directory).prepare(access), cwd=room, env={**os.environ, **environ}
        )
        try:
            async with Redis.from_url(Valkey(directory).url(access)) as client:
                await answering(client)
                yield client
        finally:
            process.kill()
            await process.wait()


async def answering(client: Redis) -> None:
    """Wait for its first answer."""
    async with asyncio.timeout(SECONDS):
        while True:
            try:
                await client.dbsize()
            except RedisError:
                await asyncio.sleep(0.02)
            else:
                return


async def test_what_was_answered_survives_a_kill_while_a_sync_is_under_way(data_dir: Path, tmp_path: Path) -> None:
    """Nothing waits for the disk before it is written."""
    if (slow := built(SLOW_DISK, tmp_path / "disk.so")) is None:
        pytest.skip("a slow disk needs a C compiler")
    access, answered = new_access(), 0
    async with valkey_killed(data_dir, access, {"LD_PRELOAD": str(slow)}) as client:
        since = monotonic()
        while monotonic() < since + SLOW:
            await client.set(f"key {answered}", "answered")
            answered += 1
    async with valkey_killed(data_dir, access, {}) as client:
        assert await client.dbsize() == answered > 0


async def test_a_running_node_has_the_disk_keep_what_was_written(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Soon after it was written."""
    monkeypatch.setattr(valkey, "SYNC_SECONDS", 0.01)
    kept: dict[Path, int] = {}

    def noted(file: Path, before: int) -> int:
        kept[file] = synced(file, before)
        return kept[file]

    monkeypatch.setattr(valkey, "synced", noted)
    async with running(data_dir) as addresses:
        await write(addresses, "one")
        (file,) = (data_dir / "valkey" / "appendonlydir").glob("*.incr.aof")
        await until(lambda: kept.get(file) == file.stat().st_size)
