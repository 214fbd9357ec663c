"""The keys of the mesh as this node knows them, in memory: API keys by id, and the public parts of its signing keys."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Self

from a2a_node.mesh.followed import DEFAULT, Followed, Habits
from a2a_node.model.key_ports import KeyChanges, Keys
from a2a_node.model.keys import ApiKey, Purpose, SigningKey


class Keyring:
    """API keys that hold, and all signing keys, as of a revision."""

    def __init__(self) -> None:
        self.revision = 0
        self.signing: Mapping[str, SigningKey] = {}
        self._keys: dict[str, ApiKey] = {}
        self._next_end: datetime | None = None

    def replace(self, everything: KeyChanges) -> None:
        """Begin again with all that holds."""
        self._keys.clear()
        self.take(everything)

    def take(self, changes: KeyChanges) -> None:
        """Take in keys that came, and those that ended."""
        for key in changes.keys:
            if key.holds(changes.now):
                self._keys[key.id] = key
            else:
                self._keys.pop(key.id, None)
        self._next_end = self._end()
        self.signing = {key.id: key for key in changes.signing}
        self.revision = changes.revision

    def expire(self, now: datetime) -> bool:
        """Let go of keys whose time is over; whether there were any."""
        if self._next_end is None or now < self._next_end:
            return False
        self._keys = {key.id: key for key in self._keys.values() if key.holds(now)}
        self._next_end = self._end()
        return True

    def find(self, key_id: str) -> ApiKey | None:
        """The key of that id, if it holds."""
        return self._keys.get(key_id)

    def signer(self, key_id: str, purpose: Purpose) -> SigningKey | None:
        """The mesh's own key of that id, for that purpose."""
        key = self.signing.get(key_id)
        return key if key is not None and key.purpose is purpose else None

    def __len__(self) -> int:
        return len(self._keys)

    def _end(self) -> datetime | None:
        return min((key.expires_at for key in self._keys.values() if key.expires_at is not None), default=None)


class KnownKeyring(Followed[KeyChanges]):
    """A keyring that is kept up to date; made by `of_mesh`."""

    what = "keys"
    book: Keyring

    @classmethod
    @asynccontextmanager
    async def of_mesh(cls, store: Keys, habits: Habits = DEFAULT) -> AsyncIterator[Self]:
        """Follow the keys until the block ends; StoreUnavailable when the first look at them fails."""
        async with cls(store, Keyring(), habits).following() as known:
            yield known
