"""Runs of workflows on two nodes, of which one is killed while runs stand at every boundary of ten steps."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from a2a_node.agent import Agent, Context
from a2a_node.attach import attached
from tests.e2e.nodes import mesh_node
from tests.e2e.runs import AGENTS, at_desk, lines, soon, statuses
from tests.e2e.test_mesh import known

STEPS = 10
LATE = 4  # the step whose agent has done its work when its node is killed
LEASE = ("--lease", "3", "--agent", "counting:agent")


@pytest.fixture
def addresses(postgres_url: str, redis_url: str) -> Mapping[str, str]:
    """Stores that nodes share."""
    return {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url, **AGENTS}


FAR = """\
name: far
steps:
  gate: {approval: {permission: "workflow:far:approve"}}
  work: {agent: far, capability: work, needs: gate}
  after: {agent: far, capability: work, needs: work}
"""


class Far:
    """An agent in a process of its own, whose work is done before it answers, and which answers once it may."""

    def __init__(self) -> None:
        self.done, self.may = asyncio.Queue[str](), asyncio.Event()
        self.agent = Agent("far")
        self.agent.capability(self.work)

    async def work(self, context: Context) -> None:
        """Leave a line."""
        self.done.put_nowait(context.call_id)
        await self.may.wait()


def chain() -> str:
    """Ten steps, one after the other; a run is told in which of them it is held, before its effect or after it."""
    steps = [
        f"  s{n}: {{agent: counting, capability: work, needs: [{f's{n - 1}' if n else ''}],"
        f" input: {{step: '${{{{ inputs.run }}}} s{n}', hold: '${{{{ inputs.at == {n} }}}}',"
        f" stay: '${{{{ inputs.done == {n} }}}}'}}}}"
        for n in range(STEPS)
    ]
    inputs = "inputs: {run: {type: string}, at: {type: integer}, done: {type: integer, default: -1}}"
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
    """One run stands at each boundary when its node is killed; every step of all runs is done exactly once.

    But for what an agent that died with it had done and not yet answered: that is done once more, by its copy at the
    heir. One in a process of its own, at a node that lives, goes on, and is asked for its answer.
    """
    effects, far = tmp_path / "effects", Far()
    environ = {**addresses, "EFFECTS": str(effects)}
    with mesh_node(open_folder / "killed", environ, *LEASE) as first:
        async with at_desk(first) as desk:
            runs = [await desk.begin(chain(), {"run": f"r{at}", "at": at}) for at in range(STEPS)]
            runs += [await desk.begin(chain(), {"run": "late", "at": -1, "done": LATE}), await desk.begin(FAR)]
            await desk.until(runs[-1], lambda run: run.status == "waiting")
        await soon(lambda: len(lines(effects, ".held")) == STEPS and lines(effects)[f"late s{LATE}"] == 1)
        (worker,) = workers(first.pid)
        with mesh_node(open_folder / "heir", environ, *LEASE) as heir:
            async with attached(far.agent, heir.address, key=heir.key):
                async with at_desk(first) as desk:
                    await known(desk.mesh, "far", 1)
                    await desk.mesh.workflows.approve(runs[-1], "gate")
                    assert await far.done.get()
                first.program.end(signal.SIGKILL)
                await soon(lambda: gone(worker))
                effects.with_suffix(".go").touch()
                async with at_desk(heir) as desk:
                    ended = await asyncio.gather(*(desk.ended(run_id) for run_id in runs[:-1]))
                    far.may.set()  # the heir has its run, too, by now
                    ended.append(await desk.ended(runs[-1]))
    assert [str(run.error) for run in ended if run.error] == []
    names = [*(f"r{at}" for at in range(STEPS)), "late"]
    assert [run.output for run in ended[:-1]] == [{"last": f"{name} s9"} for name in names]
    assert all(set(statuses(run).values()) == {"completed"} for run in ended)
    again = {f"late s{LATE}": 2}
    assert lines(effects) == {f"{name} s{n}": 1 for name in names for n in range(STEPS)} | again
    assert far.done.qsize() == 1  # of the step after it
