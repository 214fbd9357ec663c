"""What limits need of the stores, said as Protocols; `node/` introduces the rooms.

Every method raises StoreUnavailable, within about a second, when its store is away.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from a2a_node.model.limits import Ask, Given, Level, Limit, LimitKey, Memory, Rate


class Buckets(Protocol):
    """The store of buckets: whoever holds a lease of tokens may use them until it ends; only the store's clock refills.

    `known` is the `since` of the memory that the holder knows, below 0 for none. `mark` is ALONE (2) when it admitted
    calls by itself since it was heard last, SILENT (1) when it was silent so long that others may have, else 0.
    """

    async def meet(self, holder: str, known: int, mark: int) -> Memory:
        """Say that a holder is there; what the store remembers, which begins anew when it must."""

    async def lease(self, holder: str, known: int, mark: int, asked: tuple[str, Ask]) -> tuple[Memory, Given]:
        """Ask for tokens of a bucket, and meet, in one trip. What is given counts only where `since` is as known."""

    async def give_back(self, holder: str, known: int, asks: Sequence[tuple[str, Ask]]) -> None:
        """Settle all leases of a holder in one trip, and forget that it was there."""

    async def look(self, bucket: str, rate: Rate, known: int) -> Level:
        """How a bucket stands; changes nothing."""


@dataclass(frozen=True, slots=True)
class LimitBook:
    """All limits that were set, as of one revision."""

    revision: int
    limits: Sequence[Limit]


class Limits(Protocol):
    """The truth about limits that were set. Changes get revisions that grow in commit order."""

    async def put(self, key: LimitKey, rate: Rate, by: str) -> tuple[Limit, int]:
        """Set the limit of a key; its revision. InvalidInput when MOST_LIMITS are set."""

    async def remove(self, key: LimitKey) -> tuple[bool, int]:
        """Forget the limit of a key; whether there was one, and the revision."""

    async def snapshot(self) -> LimitBook:
        """All limits."""

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of revisions that are committed after the block began, as with the registry."""
