"""When keys were last used: noted in memory, written in batches, to the minute."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime

from a2a_node.access.keyring import KnownKeyring
from a2a_node.mesh.background import background
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.key_ports import Keys

PAUSE = 30.0  # seconds between batches
BATCH = 1000  # keys


class LastUses:
    """Notes uses, of keys that there are alone, so that nobody can make it grow; made by `written`."""

    def __init__(self, store: Keys, keyring: KnownKeyring, pause: float = PAUSE) -> None:
        self._store, self._keyring, self._pause = store, keyring, pause
        self._used: set[str] = set()
        self._written: dict[str, datetime] = {}
        self.note = self._used.add  # on every call's way: 0.04 µs

    @classmethod
    @asynccontextmanager
    async def written(cls, store: Keys, keyring: KnownKeyring, pause: float = PAUSE) -> AsyncIterator[LastUses]:
        """Write batches until the block ends, the last one then."""
        uses = cls(store, keyring, pause)
        try:
            async with background(uses._keep):
                yield uses
        finally:
            with suppress(StoreUnavailable):  # a minute's knowledge is lost, and nothing else
                await uses.write()

    async def write(self) -> None:
        """Write what was noted since the last time; StoreUnavailable, and then it is still noted."""
        minute = self._keyring.now().replace(second=0, microsecond=0)
        fresh = [key for key in self._used if self._written.get(key) != minute]
        self._used.clear()
        for start in range(0, len(fresh), BATCH):
            batch = dict.fromkeys(fresh[start : start + BATCH], minute)
            try:
                await self._store.used(batch)
            except StoreUnavailable:
                self._used.update(fresh[start:])
                raise
            self._written |= batch
        self._written = {key: then for key, then in self._written.items() if self._keyring.book.find(key)}

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(self._pause)
            with suppress(StoreUnavailable):  # the next batch has it
                await self.write()
