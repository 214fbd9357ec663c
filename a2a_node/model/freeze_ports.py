"""What the rooms need of the store of freezes, said as a Protocol; as in `ports`, StoreUnavailable when it is away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from typing import Protocol, TypeAlias

from a2a_node.model.freezes import Freeze, FreezeChanges, FreezeTarget, NewFreeze, Progress

FreezePlace: TypeAlias = tuple[datetime, str]  # where a freeze stands in a list: when it was made, and its id
MOST = 10_000  # that hold at a time


class Freezes(Protocol):
    """The truth about freezes. Changes get revisions that grow in commit order; what nodes confirm makes none."""

    async def freeze(self, new: NewFreeze) -> tuple[Freeze, int]:
        """Freeze, or find the freeze of that target which holds; its revision. InvalidInput when MOST hold."""

    async def lift(self, freeze_id: str, lifted_by: str) -> tuple[Freeze, int]:
        """Lift a freeze; the revision. One that is over stays as it is. FreezeNotFound."""

    async def list(
        self, target: FreezeTarget | None, after: FreezePlace | None, limit: int, *, lifted: bool
    ) -> Sequence[Freeze]:
        """Freezes that fit, the newest first, after a place."""

    async def confirm(self, progress: Sequence[Progress]) -> None:
        """Keep what a node has confirmed, in place of what it confirmed before."""

    async def progress(self, freeze_ids: Sequence[str]) -> Sequence[Progress]:
        """What all nodes have confirmed of these freezes."""

    async def snapshot(self) -> FreezeChanges:
        """All freezes that hold."""

    async def changes(self, after: int) -> FreezeChanges | None:
        """What changed after that revision; None when a snapshot is needed instead."""

    def revisions(self) -> AbstractAsyncContextManager[AsyncIterator[int]]:
        """Hear of revisions that are committed after the block began, as with the registry."""
