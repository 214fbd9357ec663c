"""What the rooms need of the store of keys, said as a Protocol; as in `ports`, StoreUnavailable when it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeAlias

from a2a_node.model.keys import ApiKey, NewKey, SigningKey

KeyPlace: TypeAlias = tuple[datetime, str]  # where a key stands in a list: when it was made, and its id


@dataclass(frozen=True, slots=True)
class KeyChanges:
    """Keys as of one revision: all that hold, or those that changed after another revision, ended ones among them."""

    revision: int
    now: datetime  # by the store's clock
    keys: Sequence[ApiKey]
    signing: Sequence[SigningKey]  # always all that there are, the newest first, without their private parts


class Keys(Protocol):
    """The truth about API keys and the mesh's own keys. Changes get revisions that grow in commit order."""

    async def create(self, new: NewKey, key_id: str, digest: bytes) -> tuple[ApiKey, int]:
        """Keep a new key, and its revision; InvalidInput when its principal has MOST_KEYS that hold."""

    async def revoke(self, key_id: str) -> tuple[ApiKey, int]:
        """End a key; the revision. One that is revoked stays as it is. KeyNotFound."""

    async def find(self, key_id: str) -> ApiKey:
        """A key, be it ended; KeyNotFound."""

    async def list(self, principal: str, after: KeyPlace | None, limit: int, *, ended: bool) -> Sequence[ApiKey]:
        """Keys of a principal, or of all where it is empty, the newest first, after a place."""

    async def used(self, moments: Mapping[str, datetime]) -> None:
        """Note when keys were last used, by id; an earlier moment than is known changes nothing. Makes no revision."""

    async def renew(self, fresh: SigningKey, fresh_for: float, kept_for: float) -> tuple[Sequence[SigningKey], int]:
        """All keys of a purpose with their private parts, the newest first, and the revision.

        `fresh` is kept when none is younger than `fresh_for` seconds; then those older than `kept_for` are forgotten.
        """

    async def snapshot(self) -> KeyChanges:
        """All keys that hold."""

    async def changes(self, after: int) -> KeyChanges | None:
        """What changed after that revision; None when a snapshot is needed instead."""

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of revisions that are committed after the block began, as with the registry."""
