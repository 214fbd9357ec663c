"""What executors do with the record in Postgres: claim runs, and say how they stand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

from sqlalchemy import RowMapping

from a2a_node.model.errors import DeadlineExceeded, StoreUnavailable
from a2a_node.model.runs import Changed, Run, RunChange, RunLost, RunStatus, StepChange
from a2a_node.store.hot import Hot
from a2a_node.store.locks import Lock
from a2a_node.store.postgres import Postgres, Transaction
from a2a_node.store.run_bells import RunBells
from a2a_node.store.run_changes import parameters
from a2a_node.store.run_claims import (
    CLAIM,
    CLAIM_BOUNDED,
    CLAIM_FRESH,
    LAPSED,
    RELEASE,
    RENEW,
)
from a2a_node.store.run_hearing import hearing
from a2a_node.store.run_record import RunRecord
from a2a_node.store.run_rows import run_from, wishes_from
from a2a_node.store.run_statements import CHANGE, CHANNEL, TRIM, TRIMMED_EVERY
from a2a_node.store.run_turns import RunTurns
from a2a_node.store.run_wishes import end, locked

HOT_CHANGE, HOT_CLAIM, HOT_CLAIM_FRESH = Hot(CHANGE), Hot(CLAIM), Hot(CLAIM_FRESH)
RIVALS = 100  # wishes and decisions that may come between, one after the other, before a change gives up


class RunExecution(RunRecord):
    """The port `Execution`."""

    def __init__(self, postgres: Postgres, bells: RunBells | None = None) -> None:
        super().__init__(postgres, bells)
        self._turns = RunTurns()

    async def renew(self, executor: str, node_id: str, lease: float) -> datetime:
        """Let a lease live on."""
        (row,) = await self._postgres.fetch(RENEW, {"executor": executor, "node": node_id, "lease": lease})
        now: datetime = row["now"]
        return now

    async def release(self, executor: str) -> None:
        """End a lease."""
        await self._postgres.fetch(RELEASE, {"executor": executor})

    async def claim(
        self, executor: str, limit: int, known: Sequence[str] | None = None, *, fresh: bool = False
    ) -> Sequence[Run]:
        """Take runs; what nobody took in time fails instead."""
        said = {"executor": executor, "limit": limit}
        found = await self._postgres.ask(HOT_CLAIM_FRESH if fresh else HOT_CLAIM, said | {"known": known})
        rows: list[RowMapping] = [row for row in found if row["id"] is not None]
        if found[0]["lapsed"]:
            await self._fail_lapsed()
        if found[0]["bounded"] and len(rows) < limit:
            async with self._postgres.writing() as change:
                await change.fetch(Lock.RUNS.held())
                rows += await change.fetch(CLAIM_BOUNDED, said | {"limit": limit - len(rows)})
        claimed = [run_from(row) for row in rows]
        for run, row in zip(claimed, rows, strict=True):
            self._count(RunStatus(row["was"]), run.status)
            if row["told"]:
                self._ring(run.id, row["told"], lazily=True)
        return claimed

    async def change(
        self, executor: str, run_id: str, steps: Sequence[StepChange], run: RunChange | None = None
    ) -> Changed:
        """Record how steps and the run stand, in one statement."""
        said = parameters(executor, run_id, steps, run)
        async with self._turns.of(run_id):
            for _ in range(RIVALS):
                answer = await self._postgres.ask(HOT_CHANGE, said)
                if not answer:
                    raise RunLost(run_id)
                if answer[0]["sure"]:
                    sequences = await self._changed(answer[0], run_id, run)
                    return Changed(sequences, wishes_from(dict(answer[0])))
        raise StoreUnavailable("postgres")

    @asynccontextmanager
    async def wanted(self) -> AsyncIterator[AsyncIterator[str]]:
        """Hear of runs that somebody should look at."""
        async with hearing(self._postgres.dial, CHANNEL) as heard:
            yield heard

    async def _changed(self, answer: RowMapping, run_id: str, run: RunChange | None) -> Sequence[int]:
        """The sequences of what a statement did; RunLost when the run has ended otherwise than is said."""
        if not answer["taken"]:
            if run is None or run.status.value == answer["status"]:
                return ()
            raise RunLost(run_id)
        if run is not None:
            self._count(RunStatus(answer["status"]), run.status)
        before, after = answer["before"], answer["after"]
        if before // TRIMMED_EVERY != after // TRIMMED_EVERY:
            await self._postgres.fetch(TRIM, {"run": run_id, "after": after})
        if answer["told"]:
            self._ring(run_id, answer["told"], lazily=run is None)
        return range(before + 1, after + 1)

    async def _fail_lapsed(self) -> None:
        for row in await self._postgres.fetch(LAPSED):
            async with self._postgres.writing() as change:
                failed = await _fail(change, row["id"])
            self.came[RunStatus.FAILED.value] += failed
            self._ring(row["id"])


async def _fail(change: Transaction, run_id: str) -> bool:
    """Fail a run whose time is over, unless somebody has it by now, or gave it more time; whether it failed."""
    held = await locked(change, run_id)
    given = (held.run.expires_at - held.run.created_at).total_seconds()
    if held.taken or held.run.status.terminal:
        return False
    await end(change, held.run, RunStatus.FAILED, DeadlineExceeded(given))
    return True
