"""The keeper of one store, with a server that never answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from a2a_node.model.errors import StoreStartFailed
from a2a_node.store.embedded import held
from a2a_node.store.embedded.access import Access
from a2a_node.store.embedded.keeper import Keeper
from tests.integration.store.stores_at_work import SECONDS, processes


class Mute:
    """A server that runs and never answers, and a client that swallows the cancellation of its question."""

    name: str = "mute"
    signals: Sequence[str] = ("SIGTERM",)

    def __init__(self) -> None:
        self.asked = asyncio.Event()

    def url(self, access: Access) -> str:
        """Nothing to connect to."""
        return f"mute://{access.port}"

    def has_fixed_password(self) -> bool:
        """It has no data."""
        return False

    async def prepare(self, access: Access) -> Sequence[str]:
        """A program that stays for a while."""
        return ["/bin/sleep", f"{SECONDS}.{access.port}"]

    async def answer(self, access: Access) -> int | None:
        """Wait for ever, and survive being cancelled, as some clients do."""
        self.asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return None
        return access.port


async def test_a_start_can_be_cancelled_although_a_client_swallows_it(data_dir: Path) -> None:
    """The start ends as cancelled, and what it launched is gone."""
    store = Mute()
    with held(data_dir) as directory:
        starting = asyncio.create_task(Keeper(store, directory).start())
        async with asyncio.timeout(SECONDS):
            await store.asked.wait()
            assert len(processes(data_dir)) == 1
            starting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await starting
        assert processes(data_dir) == []


async def test_a_server_that_does_not_answer_in_time_is_reported_and_stopped(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait for it is bounded, and its process does not stay behind."""
    monkeypatch.setattr("a2a_node.store.embedded.keeper.START_SECONDS", 0.05)
    with held(data_dir) as directory:
        with pytest.raises(StoreStartFailed, match="did not answer within"):
            await Keeper(Mute(), directory).start()
        assert processes(data_dir) == []


async def test_a_directory_that_the_system_refuses_is_a_failed_start(data_dir: Path) -> None:
    """An error of the file system arrives as a failure that names the store and the file."""
    with held(data_dir) as directory:
        directory.file("mute", "secret").mkdir()
        with pytest.raises(StoreStartFailed, match=r"embedded mute did not start: .*mute\.secret"):
            await Keeper(Mute(), directory).start()
