"""Runs of workflows on two nodes, of which one is killed while runs stand at every boundary of ten steps."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from tests.e2e.nodes import mesh_node
from tests.e2e.runs import AGENTS, at_desk, lines, soon, statuses

STEPS = 10
LEASE = ("--lease", "3", "--agent", "counting:agent")


@pytest.fixture
def addresses(postgres_url: str, redis_url: str) -> Mapping[str, str]:
    """Stores that nodes share."""
    return {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url, **AGENTS}


def chain() -> str:
    """Ten steps, one after the other; a run is told in which of them it is held."""
    steps = [
        f"  s{n}: {{agent: counting, capability: work, needs: [{f's{n - 1}' if n else ''}],"
        f" input: {{step: '${{{{ inputs.run }}}} s{n}', hold: '${{{{ inputs.at == {n} }}}}'}}}}"
        for n in range(STEPS)
    ]
    inputs = "inputs: {run: {type: string}, at: {type: integer}}"
    output = "output: {last: '${{ steps.s9.output.step }}'}"
    return "\n".join(("name: chain", inputs, "steps:", *steps, output, ""))


def workers(pid: int) -> list[psutil.Process]:
    """The worker of a node."""
    return [child for child in psutil.Process(pid).children() if "engine" in child.cmdline()]


def gone(process: psutil.Process) -> bool:
    """Whether it has ended, though nobody may have asked how."""
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


async def test_another_node_goes_on_at_every_boundary(
    addresses: Mapping[str, str], open_folder: Path, tmp_path: Path
) -> None:
    """One run stands at each boundary when its node is killed; every step of all runs is done exactly once."""
    effects = tmp_path / "effects"
    environ = {**addresses, "EFFECTS": str(effects)}
    with mesh_node(open_folder / "killed", environ, *LEASE) as first:
        async with at_desk(first) as desk:
            runs = [await desk.begin(chain(), {"run": f"r{at}", "at": at}) for at in range(STEPS)]
        await soon(lambda: len(lines(effects, ".held")) == STEPS)
        (worker,) = workers(first.pid)
        with mesh_node(open_folder / "heir", environ, *LEASE) as heir:
            first.program.end(signal.SIGKILL)
            await soon(lambda: gone(worker))
            effects.with_suffix(".go").touch()
            async with at_desk(heir) as desk:
                ended = await asyncio.gather(*(desk.ended(run_id) for run_id in runs))
    assert [str(run.error) for run in ended if run.error] == []
    assert [run.output for run in ended] == [{"last": f"r{at} s9"} for at in range(STEPS)]
    assert all(set(statuses(run).values()) == {"completed"} for run in ended)
    assert lines(effects) == {f"r{at} s{n}": 1 for at in range(STEPS) for n in range(STEPS)}
