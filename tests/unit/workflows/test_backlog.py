"""What a node shows of runs that have not ended."""

from __future__ import annotations

import asyncio

from a2a_node.model.runs import RunStatus
from a2a_node.testing import Clock, MemoryRuns
from a2a_node.web.run_figures import of_runs
from a2a_node.workflows.backlog import EVERY, Backlogs
from tests.contract.run_houses import new_run
from tests.unit.virtual import in_no_time

OPEN = dict.fromkeys(("pending", "running", "paused", "waiting"), 0)


def test_every_open_status_has_its_number() -> None:
    """Looked at again and again; what was seen last stands while the store is away."""

    async def look() -> None:
        clock = Clock()
        runs = MemoryRuns(clock)
        async with Backlogs.watched(runs) as backlogs:
            await asyncio.sleep(0)
            assert backlogs.runs() == backlogs.still() == OPEN
            await runs.record(new_run("a"))
            clock.advance(90)
            await asyncio.sleep(EVERY + 1)
            assert backlogs.runs() == {**OPEN, "pending": 1}
            assert backlogs.still() == {**OPEN, "pending": 90}
            runs.lose()
            await asyncio.sleep(EVERY + 1)
            assert backlogs.still() == {**OPEN, "pending": 90}

    in_no_time(look())


def test_statuses_and_states_are_all_there_from_the_start() -> None:
    """Whatever was counted so far."""
    figures = {one.name: one for one in of_runs({"failed": 2}, Backlogs(MemoryRuns()), lambda: "idle", lambda: 0.012)}
    assert figures["a2a_workflows"].read() == {status.value: 2 * (status is RunStatus.FAILED) for status in RunStatus}
    engine = {"off": False, "idle": True, "starting": False, "ok": False, "down": False}
    assert figures["a2a_workflow_engine"].read() == engine
    assert figures["a2a_workflow_steps_apart_seconds"].read() == 0.012
