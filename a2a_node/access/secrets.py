"""The secrets that the nodes of the mesh share, as this node knows them, and the store's time.

They are read at the start and every few seconds; while the store is away, those in memory stay good. Where the mesh has
a passphrase, what stands in the store is only half of each: what is signed with is made of both.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from time import monotonic
from typing import Self

from a2a_node.mesh.background import background
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.secret_ports import MeshSecrets
from a2a_node.model.secrets import Secret, signing

Clock = Callable[[], float]
REREAD = 15.0  # seconds; a new secret is not used before every node has looked four times


class Secrets:
    """Secrets by their ids; made by `following`."""

    def __init__(self, store: MeshSecrets, passphrase: str, clock: Clock) -> None:
        self._store, self._passphrase, self._clock = store, passphrase.encode(), clock
        self._known: Sequence[Secret] = ()
        self._by_id: dict[bytes, Secret] = {}
        self._ahead = 0.0  # of the store's clock before ours, seconds

    @classmethod
    @asynccontextmanager
    async def following(
        cls, store: MeshSecrets, passphrase: str = "", *, reread: float = REREAD, clock: Clock = monotonic
    ) -> AsyncIterator[Self]:
        """Know them until the block ends; StoreUnavailable when the first look fails."""
        secrets = cls(store, passphrase, clock)
        await secrets.read()

        async def follow() -> None:
            while True:
                await asyncio.sleep(reread)
                with suppress(StoreUnavailable):  # health says it, and those in memory stay good
                    await secrets.read()

        async with background(follow):
            yield secrets

    async def read(self) -> None:
        """Look at the store now; StoreUnavailable."""
        asked = self._clock()
        now, kept = await self._store.current()
        self._ahead = now - (asked + self._clock()) / 2
        known = [replace(half, key=self._whole(half.key)) for half in kept]
        self._known, self._by_id = known, {secret.id: secret for secret in known}

    def _whole(self, half: bytes) -> bytes:
        return hmac.digest(self._passphrase, half, "sha256") if self._passphrase else half

    def now(self) -> float:
        """The time of the store's clock, seconds since the epoch, as far as it was heard of here."""
        return self._clock() + self._ahead

    def signing(self) -> Secret:
        """The one to seal with now."""
        return signing(self._known, self.now())

    def find(self, secret_id: bytes) -> Secret | None:
        """The one of that id, if it is believed."""
        return self._by_id.get(secret_id)
