"""The records of runs under contract, each in a house that lets time pass and takes Postgres away."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol
from uuid import uuid4

from a2a_node.model.run_ports import Execution, Runs
from a2a_node.model.runs import NewRun, Run, RunChange, RunStatus, RunStep, StepApproval, StepChange, StepStatus
from a2a_node.store.runs import PostgresRuns
from a2a_node.testing import MemoryRuns
from tests.contract import houses

PASS_TIME = """
WITH leases AS (UPDATE workflow_executors SET lease_until = lease_until - make_interval(secs => :seconds)),
events AS (UPDATE workflow_events SET at = at - make_interval(secs => :seconds))
UPDATE workflow_runs SET expires_at = expires_at - make_interval(secs => :seconds),
  completed_at = completed_at - make_interval(secs => :seconds)
"""
LEASE = 15.0
GATE = StepApproval("workflow:release:approve", "Ship it?")


class Record(Runs, Execution, Protocol):
    """Both sides of the record."""


class House:
    """A record, and what a test can do to its surroundings."""

    def __init__(self, runs: Record, elapse: houses.Elapse, lose: houses.Lose) -> None:
        self.runs, self.elapse, self.lose = runs, elapse, lose

    async def record(self, *steps: str, most: int = 0, key: str = "", parent: str = "") -> Run:
        """Record a run of so many steps."""
        return await self.runs.record(new_run(*steps, most=most, key=key, parent=parent))

    async def claimed(self, executor: str = "e1", limit: int = 10) -> Sequence[Run]:
        """Claim as an executor that lives."""
        await self.runs.renew(executor, "n1", LEASE)
        return await self.runs.claim(executor, limit)

    async def begun(self, *steps: str) -> Run:
        """A run that the executor e1 has."""
        run = await self.record(*steps)
        assert run.id in [one.id for one in await self.claimed()]
        return await self.runs.get(run.id)

    async def says(self, run: Run, step: str, status: StepStatus, **more: object) -> Sequence[int]:
        """What e1 says of a step."""
        change = StepChange(RunStep(step, status, **more))  # type: ignore[arg-type]
        return (await self.runs.change("e1", run.id, [change])).sequences

    async def ends(self, run: Run, status: RunStatus = RunStatus.COMPLETED) -> None:
        """The executor e1 says that a run has ended."""
        await self.runs.change("e1", run.id, [], RunChange(status))


def new_run(*steps: str, most: int = 0, key: str = "", parent: str = "", template: str = "release") -> NewRun:
    """A run to record."""
    return NewRun(
        str(uuid4()),
        template,
        1,
        [RunStep(name, agent="git", capability="clone", needs=steps[:place]) for place, name in enumerate(steps)],
        "person:ann",
        3600.0,
        inputs={"ref": "main"},
        authority=b"\x00\xff",
        key=key,
        parent_run_id=parent,
        max_concurrent_runs=most,
    )


@asynccontextmanager
async def housed(url: str | None) -> AsyncIterator[House]:
    """A house on a migrated database, or in memory when there is no URL."""
    async with houses.housed(url, MemoryRuns, PostgresRuns, PASS_TIME) as house:
        yield House(*house)
