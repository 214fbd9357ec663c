"""The embedded stores in trouble: kills, left-overs, taken ports, damaged directories."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import socket
from pathlib import Path

import psutil
import pytest

from a2a_node.model.errors import StoreStartFailed
from a2a_node.store.embedded import embedded, held
from tests.integration.store.stores_at_work import (
    SECONDS,
    addresses_of,
    owner,
    processes,
    read,
    read_again,
    running,
    secrets_of,
    server,
    until,
    write,
)


async def test_the_stores_of_a_killed_owner_are_taken_over(data_dir: Path) -> None:
    """The next owner finds them running, with all data, and stops them in the end."""
    async with owner(data_dir) as process:
        addresses = await addresses_of(process)
        await write(addresses, "one")
        before = {server(data_dir, name) for name in ("postgres", "valkey")}
        process.kill()
    async with running(data_dir) as adopted:
        assert adopted == addresses
        assert {server(data_dir, name) for name in ("postgres", "valkey")} == before
        assert await read(adopted) == (["one"], ["one"])
    assert processes(data_dir) == []


async def test_data_outlive_the_kill_of_the_owner_and_its_stores(data_dir: Path) -> None:
    """What was committed is there after all of them died at once."""
    async with owner(data_dir) as process:
        await write(await addresses_of(process), "one")
        for victim in (process.pid, server(data_dir, "postgres").pid, server(data_dir, "valkey").pid):
            os.kill(victim, signal.SIGKILL)
    async with running(data_dir) as again:
        assert await read(again) == (["one"], ["one"])
    assert processes(data_dir) == []


@pytest.mark.parametrize("name", ["postgres", "valkey"])
async def test_a_store_that_dies_comes_back_at_its_address(data_dir: Path, name: str) -> None:
    """Its owner starts it again, with what was committed."""
    async with running(data_dir) as addresses:
        await write(addresses, "one")
        killed = server(data_dir, name)
        killed.kill()
        assert await read_again(addresses) == (["one"], ["one"])
        assert server(data_dir, name) != killed
    assert processes(data_dir) == []


async def test_stores_whose_directory_was_deleted_are_ended(data_dir: Path) -> None:
    """Their owner knows its own children, and does not wait for ever."""
    async with asyncio.timeout(SECONDS), running(data_dir):
        children = processes(data_dir)
        await asyncio.to_thread(shutil.rmtree, data_dir)
    assert children
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


@pytest.mark.parametrize("name", ["postgres", "valkey"])
async def test_an_adopted_store_that_dies_comes_back_too(data_dir: Path, name: str) -> None:
    """It makes no difference who started it first."""
    async with owner(data_dir) as process:
        await write(await addresses_of(process), "one")
        process.kill()
    async with running(data_dir) as addresses:
        server(data_dir, name).kill()
        assert await read_again(addresses) == (["one"], ["one"])
    assert processes(data_dir) == []


async def test_an_owner_killed_in_the_middle_of_its_first_start_leaves_a_directory_that_starts(data_dir: Path) -> None:
    """Whatever initdb was doing, the next owner ends up with whole stores."""
    async with owner(data_dir) as process:
        await until((data_dir / "postgres" / "data.new" / "global").exists)
        process.kill()
    async with running(data_dir) as addresses:
        await write(addresses, "one")
        assert await read(addresses) == (["one"], ["one"])
    assert {path.name for path in (data_dir / "postgres").glob("*")} == {"data"}


async def test_a_half_made_cluster_is_made_anew(data_dir: Path) -> None:
    """What a crash of the machine left of initdb is thrown away."""
    leave_half_a_cluster(data_dir / "postgres" / "data.new")
    async with running(data_dir) as addresses:
        await write(addresses, "one")
        assert await read(addresses) == (["one"], ["one"])
    assert {path.name for path in (data_dir / "postgres").glob("*")} == {"data"}


def leave_half_a_cluster(folder: Path) -> None:
    """Some files of a cluster, not enough for a server."""
    folder.mkdir(parents=True)
    (folder / "PG_VERSION").write_text("18\n")


async def test_a_cancelled_start_leaves_nothing_running(data_dir: Path) -> None:
    """A stop that comes during the first start ends initdb and servers alike."""
    with held(data_dir) as directory:
        starting = asyncio.create_task(embedded(directory).__aenter__())
        await until((data_dir / "postgres" / "data.new" / "global").exists)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert processes(data_dir) == []


async def test_taken_ports_are_exchanged_for_others(data_dir: Path) -> None:
    """Somebody else on the kept ports costs the addresses, not the data."""
    async with running(data_dir) as first:
        await write(first, "one")
    postgres, valkey = (secret["port"] for secret in secrets_of(data_dir))
    with socket.create_server(("127.0.0.1", postgres)), socket.create_server(("127.0.0.1", valkey)):
        async with running(data_dir) as second:
            assert await read(second) == (["one"], ["one"])
    assert second.postgres_url != first.postgres_url
    assert second.redis_url != first.redis_url


async def test_a_pid_file_is_not_believed(data_dir: Path) -> None:
    """A left-over that names a living process of somebody else does not keep Postgres from starting."""
    async with running(data_dir) as addresses:
        await write(addresses, "one")
        pid_file = data_dir / "postgres" / "data" / "postmaster.pid"
        lines, user = pid_file.read_text().splitlines(), pid_file.stat().st_uid
    bystander = await asyncio.create_subprocess_exec("sleep", str(SECONDS), user=user)
    try:
        pid_file.write_text("\n".join([str(bystander.pid), *lines[1:]]) + "\n")
        async with running(data_dir) as again:
            assert await read(again) == (["one"], ["one"])
    finally:
        bystander.kill()
        await bystander.wait()


async def test_a_lost_secret_is_named(data_dir: Path) -> None:
    """Data without their password are left alone, and the message says what is missing."""
    async with running(data_dir):
        pass
    (data_dir / "postgres.secret").unlink()
    with pytest.raises(StoreStartFailed, match=r"postgres\.secret is lost"):
        async with running(data_dir):
            pass
    assert processes(data_dir) == []


async def test_a_failed_start_shows_the_last_words_of_the_server(data_dir: Path) -> None:
    """What the server wrote is in the message, and the other store does not stay behind."""
    async with running(data_dir):
        pass
    (data_dir / "postgres" / "data" / "PG_VERSION").write_text("7\n")
    with pytest.raises(StoreStartFailed, match="database files are incompatible"):
        async with running(data_dir):
            pass
    assert processes(data_dir) == []


async def test_a_copied_directory_does_not_share_the_stores_of_the_original(data_dir: Path) -> None:
    """The same password on the same port is not enough: a server must work in this very directory."""
    copy = data_dir.with_name(f"{data_dir.name}-copy")
    async with running(data_dir) as original:
        await write(original, "one")
        copy_secrets(data_dir, copy)
        async with running(copy) as other:
            await write(other, "two")
            assert await read(original) == (["one"], ["one"])
    assert other.postgres_url != original.postgres_url


def copy_secrets(source: Path, target: Path) -> None:
    """What a careless copy of a directory brings along."""
    target.mkdir()
    for file in source.glob("*.secret"):
        (target / file.name).write_bytes(file.read_bytes())
