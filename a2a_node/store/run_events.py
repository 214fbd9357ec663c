"""Events of runs, told to those who watch.

A reader reads what has happened from Postgres. From then on bells tell it what happens; where one has told too little,
or none has come for a while, it reads again. It keeps no place in any queue.
"""

# ruff: noqa: S608 - what is put into the statements are constants of these modules

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack

from sqlalchemy import column, text
from sqlalchemy.dialects.postgresql import JSONB

from a2a_node.model.errors import RunNotFound, StoreUnavailable
from a2a_node.model.runs import Run, RunEvent
from a2a_node.store.hot import Hot
from a2a_node.store.postgres import Postgres
from a2a_node.store.run_bells import RunBells
from a2a_node.store.run_pace import Pace
from a2a_node.store.run_rows import NAMES, run_from
from a2a_node.store.run_tables import workflow_runs as table
from a2a_node.store.run_told import TELLING, Told, events_of, rung, stood
from a2a_node.store.wakeups import Wakeup

BATCH = 100  # events read at once

STATE = [name for name in NAMES if name not in {"output", "authority"}]
READ = Hot(
    text(f"""
SELECT {", ".join(f"run.{name}" for name in STATE)}, (
  SELECT jsonb_agg({TELLING} ORDER BY sequence) FROM (
    SELECT * FROM workflow_events WHERE run_id = :run AND sequence > :after ORDER BY sequence LIMIT {BATCH}
  ) AS one
) AS told FROM workflow_runs AS run WHERE run.id = :run
""").columns(*(table.c[name] for name in STATE), column("told", JSONB))
)


class RunEvents:
    """Follows runs."""

    def __init__(self, postgres: Postgres, bells: RunBells | None) -> None:
        self._postgres = postgres
        self._bells = bells

    async def follow(self, run_id: str, after: int) -> AsyncGenerator[RunEvent, None]:
        """Events after a sequence, until the run has ended."""
        async with AsyncExitStack() as house:
            pace, bell = Pace(), await self._bell(house, run_id)
            run, last, rows = await self._read(run_id, after)
            while True:
                for event in _with_gap(events_of(run, rows), after):
                    yield event
                    after = event.sequence
                if run.status.terminal and after >= last:
                    return
                told: Sequence[Told] | None = None
                if after >= last:
                    bell = await pace.wait(bell) or await self._bell(house, run_id)
                    told = None if bell is None else rung(bell.taken(), after)
                    if told is None:
                        await pace.rest()
                if told is None:
                    run, last, rows = await self._read(run_id, after)
                    pace.looked(found=bool(rows))
                else:
                    run, last, rows = stood(run, told), after + len(told), told

    async def _read(self, run_id: str, after: int) -> tuple[Run, int, Sequence[Told]]:
        """The run, the sequence of its last event, and those after another one, or as many as are read at once."""
        found = await self._postgres.ask(READ, {"run": run_id, "after": after})
        if not found:
            raise RunNotFound(run_id)
        row = found[0]
        return run_from({**row, "authority": b""}), row["last_sequence"], row["told"] or []

    async def _bell(self, house: AsyncExitStack, run_id: str) -> Wakeup | None:
        if self._bells is None:
            return None
        try:
            return await house.enter_async_context(self._bells.heard(run_id))
        except StoreUnavailable:
            return None


def _with_gap(events: Sequence[RunEvent], after: int) -> Sequence[RunEvent]:
    """What follows; a gap where some of it was trimmed."""
    if events and events[0].sequence > after + 1:
        return [RunEvent(events[0].sequence - 1, events[0].at, gap=True), *events]
    return events
