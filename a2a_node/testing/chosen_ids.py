"""Notes of calls whose clients chose their ids, in memory: what those in Redis do, for tests that need no Redis."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from a2a_node.model.chosen_ids import ChosenId
from a2a_node.testing.losable import utc
from a2a_node.testing.presence import Presence


class MemoryChosenIds(Presence):
    """The port `ChosenIds` on a dictionary. `lose()` makes it behave as if Redis were away, until `recover()`."""

    def __init__(self, clock: Callable[[], datetime] = utc) -> None:
        super().__init__("redis")
        self._clock = clock
        self._noted: dict[str, tuple[ChosenId, datetime]] = {}

    async def note(self, chosen: Sequence[tuple[ChosenId, float]]) -> None:
        """Keep each for so many seconds."""
        self.check()
        for one, seconds in chosen:
            before = self._live(one.id)
            if before is None or before.principal == one.principal:
                self._noted[one.id] = one, self._clock() + timedelta(seconds=seconds)

    async def find(self, call_id: str) -> ChosenId | None:
        """What is noted of a call."""
        self.check()
        return self._live(call_id)

    def _live(self, call_id: str) -> ChosenId | None:
        one, until = self._noted.get(call_id, (None, self._clock()))
        return one if until > self._clock() else None
