"""Schedules on real nodes with their engines: a minute is one run that is done once, and no more run than may."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy import text

from a2a_node.model.runs import RunFilter, RunStatus
from a2a_node.store import postgres
from tests.e2e.nodes import mesh_node
from tests.e2e.runs import AGENTS, at_desk, lines, soon

LEASE = ("--lease", "3", "--agent", "counting:agent")
AGED = text("UPDATE workflow_templates SET created_at = created_at - interval '90 seconds'")
OFTEN = """\
name: often
schedule: "* * * * *"
inputs: {run: {type: string, default: scheduled}}
steps: {work: {agent: counting, capability: work, input: {step: "${{ inputs.run }}", hold: "${{ false }}"}}}
"""
ALONE = """\
name: alone
max_concurrent_runs: 1
inputs: {run: {type: string}}
steps: {work: {agent: counting, capability: work, input: {step: "${{ inputs.run }}", hold: "${{ true }}"}}}
"""


@pytest.fixture
def addresses(postgres_url: str, redis_url: str) -> Mapping[str, str]:
    """Stores that nodes share."""
    return {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url, **AGENTS}


async def test_a_scheduled_minute_is_one_run_that_is_done_once(
    addresses: Mapping[str, str], open_folder: Path, tmp_path: Path
) -> None:
    """Also when the node that took the template is killed: another one begins the run, and its engine does it."""
    environ = {**addresses, "EFFECTS": str(tmp_path / "effects")}
    with mesh_node(open_folder / "killed", environ, *LEASE) as first:
        async with at_desk(first) as desk:
            await desk.mesh.workflows.put(OFTEN)
        first.program.end(signal.SIGKILL)
    async with postgres.connected(addresses["A2A_POSTGRES_URL"]) as database:
        await database.fetch(AGED)
    with mesh_node(open_folder / "heir", environ, *LEASE) as heir:
        await soon(lambda: bool(lines(tmp_path / "effects")))
        async with at_desk(heir) as desk:
            runs = [run async for run in desk.mesh.workflows.runs(RunFilter(template="often"))]
            ended = await asyncio.gather(*(desk.ended(run.id) for run in runs))
    minutes = [run.metadata["minute"] for run in ended]
    assert len(set(minutes)) == len(minutes)
    assert {(run.status, run.created_by) for run in ended} == {(RunStatus.COMPLETED, "person:dev")}
    assert lines(tmp_path / "effects")["scheduled"] >= len(ended)  # another minute may have begun since


async def test_no_more_runs_of_a_template_go_than_may(
    addresses: Mapping[str, str], open_folder: Path, tmp_path: Path
) -> None:
    """Whatever nodes take them up: the others wait, pending, and go one after another."""
    effects = tmp_path / "effects"
    environ = {**addresses, "EFFECTS": str(effects)}
    with mesh_node(open_folder / "one", environ, *LEASE) as one, mesh_node(open_folder / "two", environ, *LEASE) as two:
        async with at_desk(one, two) as desk:
            runs = [await desk.begin(ALONE, {"run": f"r{number}"}) for number in range(3)]
            await soon(lambda: bool(lines(effects, ".held")))
            await desk.until(runs[0], lambda run: run.status is RunStatus.RUNNING)
            standing = [(await desk.mesh.workflows.run(run_id)).status for run_id in runs]
            assert sorted(standing) == ["pending", "pending", "running"]
            assert sum(lines(effects, ".held").values()) == 1
            effects.with_suffix(".go").touch()
            ended = await asyncio.gather(*(desk.ended(run_id) for run_id in runs))
    assert [run.status for run in ended] == [RunStatus.COMPLETED] * 3
    spans = sorted((run.started_at, run.completed_at) for run in ended if run.started_at and run.completed_at)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    assert lines(effects) == {f"r{number}": 1 for number in range(3)}
