"""Freezes in memory: what the ones in Postgres do, for tests that need no Postgres."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from a2a_node.model.errors import FreezeNotFound, InvalidInput
from a2a_node.model.freeze_ports import MOST, FreezePlace
from a2a_node.model.freezes import Freeze, FreezeChanges, FreezeTarget, NewFreeze, Progress
from a2a_node.model.names import fresh_uuid
from a2a_node.testing.losable import Losable, utc


class MemoryFreezes(Losable):
    """The port `Freezes` on dictionaries."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__(clock)
        self._changed: dict[str, int] = {}
        self._freezes: dict[str, Freeze] = {}
        self._progress: dict[tuple[str, str], Progress] = {}

    async def freeze(self, new: NewFreeze) -> tuple[Freeze, int]:
        """Freeze, or find the freeze of that target which holds."""
        held = self._holding()
        for freeze in held:
            if freeze.target == new.target:
                return freeze, self._revision
        if len(held) >= MOST:
            raise InvalidInput("target", f"{MOST} freezes hold already; lift some first")
        now = self._now()
        ends = None if new.ttl is None else now + timedelta(seconds=new.ttl)
        freeze = Freeze(fresh_uuid(), new.target, new.reason, new.created_by, now, ends)
        self._freezes[freeze.id] = freeze
        return freeze, self._note(freeze.id)

    async def lift(self, freeze_id: str, lifted_by: str) -> tuple[Freeze, int]:
        """Lift a freeze."""
        now, freeze = self._now(), self._freezes.get(freeze_id)
        if freeze is None:
            raise FreezeNotFound(freeze_id)
        if not freeze.holds(now):
            return freeze, self._revision
        self._freezes[freeze_id] = replace(freeze, lifted_by=lifted_by, lifted_at=now)
        return self._freezes[freeze_id], self._note(freeze_id)

    async def list(
        self, target: FreezeTarget | None, after: FreezePlace | None, limit: int, *, lifted: bool
    ) -> Sequence[Freeze]:
        """Freezes that fit, the newest first, after a place."""
        now = self._now()
        found = sorted(self._freezes.values(), key=lambda freeze: (freeze.created_at, freeze.id), reverse=True)
        return [
            freeze
            for freeze in found
            if target in (None, freeze.target)
            and (lifted or freeze.holds(now))
            and (after is None or (freeze.created_at, freeze.id) < after)
        ][:limit]

    async def confirm(self, progress: Sequence[Progress]) -> None:
        """Keep what a node has confirmed."""
        self._now()
        self._progress |= {(one.freeze, one.node): one for one in progress}

    async def progress(self, freeze_ids: Sequence[str]) -> Sequence[Progress]:
        """What all nodes have confirmed of these freezes."""
        self._now()
        found = [one for one in self._progress.values() if one.freeze in freeze_ids]
        return sorted(found, key=lambda one: one.node)

    async def snapshot(self) -> FreezeChanges:
        """All freezes that hold."""
        return FreezeChanges(self._revision, self._now(), self._holding())

    async def changes(self, after: int) -> FreezeChanges | None:
        """What changed after a revision."""
        now = self._now()
        if after > self._revision:
            return None
        changed = [self._freezes[one] for one, revision in self._changed.items() if revision > after]
        return FreezeChanges(self._revision, now, changed)

    def _holding(self) -> Sequence[Freeze]:
        now = self._now()
        return [freeze for freeze in self._freezes.values() if freeze.holds(now)]

    def _note(self, freeze_id: str) -> int:
        self._changed[freeze_id] = self._commit()
        return self._revision
