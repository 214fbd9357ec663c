"""What both sides of the record of runs in Postgres stand on, and how often runs came to a status through it."""

from __future__ import annotations

from collections import Counter

from a2a_node.model.runs import RunStatus
from a2a_node.store.postgres import Postgres
from a2a_node.store.run_bells import RunBells


class RunRecord:
    """A pool, and the bells that wake those who watch runs."""

    def __init__(self, postgres: Postgres, bells: RunBells | None = None) -> None:
        self._postgres = postgres
        self._bells = bells
        self.came: Counter[str] = Counter()  # how often this process brought a run to a status, by its word

    def _ring(self, run_id: str, told: str | None = None, *, lazily: bool = False) -> None:
        if self._bells is not None:
            self._bells.ring(run_id, told, lazily=lazily)

    def _count(self, before: RunStatus, after: RunStatus) -> None:
        if before is not after:
            self.came[after.value] += 1
