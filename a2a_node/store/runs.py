"""The record of workflow runs in Postgres: what was asked, how it stands, what it made. See `run_statements`."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, bindparam, select, tuple_

from a2a_node.model.errors import IdempotencyKeyReused, InvalidInput, RunNotFound
from a2a_node.model.run_ports import RunPlace
from a2a_node.model.runs import Backlog, NewRun, Run, RunEvent, RunFilter, RunStatus, StepData
from a2a_node.store.hot import Hot
from a2a_node.store.postgres import Postgres
from a2a_node.store.run_bells import RunBells
from a2a_node.store.run_changes import INPUT, OUTPUT
from a2a_node.store.run_claims import FORGET
from a2a_node.store.run_events import RunEvents
from a2a_node.store.run_execution import RunExecution
from a2a_node.store.run_growth import RunGrowth, grow
from a2a_node.store.run_rows import LARGE, NAMES, asked, new_row, run_from
from a2a_node.store.run_statements import BACKLOG, BY_KEY, GET, RECORD
from a2a_node.store.run_tables import workflow_data, workflow_steps
from a2a_node.store.run_tables import workflow_runs as table
from a2a_node.store.run_wish_statements import PRUNE
from a2a_node.store.run_wishes import RunWishes

HOT_RECORD, HOT_GET = Hot(RECORD), Hot(GET)
LISTED = [table.c[name] for name in NAMES if name not in LARGE]
STEP = select(workflow_steps.c.step).where(
    workflow_steps.c.run_id == bindparam("run"), workflow_steps.c.id == bindparam("step")
)
DATA = select(workflow_data.c.part, workflow_data.c.value).where(
    workflow_data.c.run_id == bindparam("run"), workflow_data.c.step_id == bindparam("step")
)


class PostgresRuns(RunWishes, RunExecution, RunGrowth):
    """The ports `Runs` and `Execution` on Postgres; `bells` wake those who watch runs, sooner than they look."""

    def __init__(self, postgres: Postgres, bells: RunBells | None = None) -> None:
        super().__init__(postgres, bells)
        self._events = RunEvents(postgres, bells)

    def events(self, run_id: str, after: int) -> AsyncGenerator[RunEvent, None]:
        """Events after a sequence, until the run has ended."""
        return self._events.follow(run_id, after)

    async def record(self, new: NewRun) -> Run:
        """Record a run as pending, or find what its key was used for."""
        counts = new.parent_run_id and not new.undoes
        recorded = await (self._born(new) if counts else self._postgres.ask(HOT_RECORD, new_row(new)))
        if recorded:
            self.came[RunStatus.PENDING.value] += 1
            return run_from(recorded[0])
        found = await self._postgres.fetch(BY_KEY, {"id": new.id, "created_by": new.created_by, "key": new.key})
        same = [row["id"] for row in found if bytes(row["asked"]) == asked(new)]
        if not same:
            raise IdempotencyKeyReused(new.key or new.id)
        return await self.get(same[0])

    async def _born(self, new: NewRun) -> Sequence[RowMapping]:
        """The row of a run that another one started, whose steps count; RunTooLarge."""
        async with self._postgres.writing() as change:
            recorded = await change.fetch(RECORD, new_row(new))
            if recorded:
                await grow(change, new.parent_run_id, len(new.steps))
            return recorded

    async def get(self, run_id: str) -> Run:
        """A run with its steps."""
        found = await self._postgres.ask(HOT_GET, {"id": run_id})
        if not found:
            raise RunNotFound(run_id)
        return run_from(found[0])

    async def data(self, run_id: str, step_id: str) -> StepData:
        """What a step was given and made, whole."""
        place = {"run": run_id, "step": step_id}
        async with self._postgres.reading() as reading:
            steps = await reading.fetch(STEP, place)
            if not steps:
                await self.get(run_id)
                raise InvalidInput("step_id", f"run {run_id} has no step {step_id[:80]!r}")
            parts = {row["part"]: row["value"] for row in await reading.fetch(DATA, place)}
        step = steps[0]["step"]
        given = parts.pop(INPUT, None) if step["input_omitted"] else step["input"]
        made = parts.pop(OUTPUT, None) if step["output_omitted"] else step["output"]
        return StepData(given, made, {part: value for part, value in parts.items() if part >= 0})

    async def list(self, wanted: RunFilter, after: RunPlace | None, limit: int) -> Sequence[Run]:
        """Runs that fit, the newest first, after a place."""
        newest = (table.c.created_at.desc(), table.c.id.desc())
        query = select(*LISTED).where(*_fits(wanted)).order_by(*newest).limit(limit)
        if after is not None:
            query = query.where(tuple_(table.c.created_at, table.c.id) < tuple_(*after))
        return [run_from(row) for row in await self._postgres.fetch(query)]

    async def backlog(self) -> Mapping[RunStatus, Backlog]:
        """The runs that have not ended, by status."""
        rows = await self._postgres.fetch(BACKLOG)
        return {RunStatus(row["status"]): Backlog(row["runs"], float(row["still"])) for row in rows}

    async def prune(self, before: datetime, limit: int) -> int:
        """Forget runs that ended before then, and executors that nobody has heard of for an hour."""
        await self._postgres.fetch(FORGET)
        return len(await self._postgres.fetch(PRUNE, {"before": before, "limit": limit}))


def _fits(wanted: RunFilter) -> Sequence[ColumnElement[bool]]:
    fits: list[ColumnElement[bool]] = []
    for column, value in (
        (table.c.template, wanted.template),
        (table.c.created_by, wanted.created_by),
        (table.c.parent_run_id, wanted.parent_run_id),
    ):
        if value:
            fits.append(column == value)
    if wanted.statuses:
        fits.append(table.c.status.in_([one.value for one in wanted.statuses]))
    if wanted.since is not None:
        fits.append(table.c.created_at >= wanted.since)
    if wanted.until is not None:
        fits.append(table.c.created_at < wanted.until)
    return fits
