"""Revisions: word of each change of the registry, or of grants, heard on a connection that does nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.driver import Dial, Link, translated
from a2a_node.store.statements import CHANNEL

QUIET = 2.0  # seconds without word until the connection is tried


class Revisions:
    """An iterator of revisions. Those that nobody took in time are one: only the latest matters."""

    def __init__(self, link: Link, patience: float, quiet: float) -> None:
        self._link = link
        self._patience = patience
        self._quiet = quiet
        self._latest = 0
        self._news = asyncio.Event()

    def hear(self, _link: object, _pid: int, _channel: str, payload: str) -> None:
        """Take in a notification."""
        self._latest = int(payload)
        self._news.set()

    def end(self, _link: object) -> None:
        """Take in that the connection is over."""
        self._news.set()

    def __aiter__(self) -> AsyncIterator[int]:
        return self

    async def __anext__(self) -> int:
        while not self._news.is_set():
            await self._listen()
        if self._link.is_closed():
            raise StoreUnavailable("postgres")
        self._news.clear()
        return self._latest

    async def _listen(self) -> None:
        # a connection whose other end vanished stays silent for ever: silence is tried, so that it is not believed
        try:
            async with asyncio.timeout(self._quiet):
                await self._news.wait()
        except TimeoutError:
            async with translated():
                await self._link.execute("SELECT 1", timeout=self._patience)


@asynccontextmanager
async def listening(dial: Dial, quiet: float = QUIET, channel: str = CHANNEL) -> AsyncIterator[Revisions]:
    """Hear of the revisions of a channel until the block ends; whatever is committed after it began is heard."""
    async with translated():
        link = await dial()
    try:
        revisions = Revisions(link, dial.patience, quiet)
        link.add_termination_listener(revisions.end)
        async with translated():
            await link.add_listener(channel, revisions.hear)
        yield revisions
    finally:
        link.terminate()  # a farewell could wait for a server that is gone
