"""Hearing the ids of runs, on a connection to Postgres that does nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from a2a_node.model.errors import StoreUnavailable
from a2a_node.store.driver import Dial, Link, translated
from a2a_node.store.revisions import QUIET

MOST = 10_000  # ids that nobody took in yet; beyond these all are to be looked at
ALL = ""


class Heard:
    """An iterator of ids, each once until it is taken."""

    def __init__(self, link: Link, patience: float) -> None:
        self._link = link
        self._patience = patience
        self._ids: dict[str, None] = {}
        self._news = asyncio.Event()

    def hear(self, _link: object, _pid: int, _channel: str, payload: str) -> None:
        """Take in a notification."""
        if len(self._ids) >= MOST:
            self._ids = {ALL: None}
        self._ids[payload] = None
        self._news.set()

    def end(self, _link: object) -> None:
        """Take in that the connection is over."""
        self._news.set()

    def __aiter__(self) -> AsyncIterator[str]:
        return self

    async def __anext__(self) -> str:
        while not self._news.is_set():
            await self._listen()
        if self._link.is_closed():
            raise StoreUnavailable("postgres")
        run_id = next(iter(self._ids))
        del self._ids[run_id]
        if not self._ids:
            self._news.clear()
        return run_id

    async def _listen(self) -> None:
        # a connection whose other end vanished stays silent for ever: silence is tried, so that it is not believed
        try:
            async with asyncio.timeout(QUIET):
                await self._news.wait()
        except TimeoutError:
            async with translated():
                await self._link.execute("SELECT 1", timeout=self._patience)


@asynccontextmanager
async def hearing(dial: Dial, channel: str) -> AsyncIterator[Heard]:
    """Hear what is told on a channel until the block ends; whatever is committed after it began is heard."""
    async with translated():
        link = await dial()
    try:
        heard = Heard(link, dial.patience)
        link.add_termination_listener(heard.end)
        async with translated():
            await link.add_listener(channel, heard.hear)
        yield heard
    finally:
        link.terminate()  # a farewell could wait for a server that is gone
