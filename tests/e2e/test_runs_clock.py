"""Runs on a node whose clock is wrong: deadlines and approvals go by the clock of the mesh's Postgres."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.chaos.clock import library, off_by
from tests.e2e.nodes import mesh_node
from tests.e2e.runs import AGENTS, at_desk, statuses

OFF = 3600  # seconds; far more than the time that the run and its approval have
SOURCE = """\
name: timed
timeout: 10m
steps:
  a: {agent: counting, capability: work, input: {step: a}}
  gate: {approval: {permission: 'workflow:timed:approve'}, needs: a, timeout: 2s, on_failure: continue}
  b: {agent: counting, capability: work, input: {step: b}, needs: gate}
"""


@pytest.mark.parametrize("off", [OFF, -OFF])
async def test_time_is_that_of_the_store(
    postgres_url: str, redis_url: str, open_folder: Path, tmp_path: Path, off: int
) -> None:
    """A clock that runs ahead ends no run before its time, one that is behind keeps no approval open for an hour."""
    built = library(tmp_path)
    if built is None:
        pytest.skip("no C compiler")
    stores = {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url, "EFFECTS": str(tmp_path / "effects")}
    environ = {**AGENTS, **stores, **off_by(built, off)}
    with mesh_node(open_folder / f"clock{off}", environ, "--agent", "counting:agent") as node:
        async with at_desk(node) as desk:
            run = await desk.ended(await desk.begin(SOURCE))
    assert (run.status, statuses(run)) == ("completed", {"a": "completed", "gate": "failed", "b": "completed"})
    gate = next(step for step in run.steps if step.id == "gate")
    assert gate.error is not None
    assert gate.error.reason == "APPROVAL_EXPIRED"
    assert gate.approval is not None
    assert gate.approval.requested_at is not None
    assert abs(gate.approval.requested_at - run.created_at) < timedelta(seconds=OFF / 2)
