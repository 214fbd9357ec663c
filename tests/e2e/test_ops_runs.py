"""Templates of incidents and performance, run to their ends on two nodes, one of which is killed in their middle."""

from __future__ import annotations

import asyncio
import hashlib
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from a2a_node.agent import Agent, AgentRefused, Context
from a2a_node.attach import attached
from a2a_node.client import MeshClient
from a2a_node.client.runs import RunTerms
from a2a_node.model.errors import MeshError, StoreUnavailable
from a2a_node.model.runs import Run, RunStatus, RunStep, StepStatus
from tests.ample import AMPLE
from tests.e2e.nodes import RunningNode, mesh_node
from tests.integration.receiver import Seen, over_grpc

LOOK = 0.05  # seconds between two looks
PATIENCE = 120.0
SLOW, FAST = 102_400, 3_200  # rounds of the hasher
NAMES = ("monitor", "notifier", "load", "profiler", "tuner")
OPS = ("--lease", "3", *(option for name in NAMES for option in ("--ops", name)))


class Shop:
    """Two agents on the nodes that it is opened at: a baker that can be told to fail, and a hasher to be tuned."""

    def __init__(self) -> None:
        self.broken = False
        self.calls = 0

    @asynccontextmanager
    async def at(self, node: RunningNode) -> AsyncIterator[MeshClient]:
        """Both attached to a node, and a client of it."""
        async with AsyncExitStack() as house:
            for agent in (self._baker(), self._hasher()):
                await house.enter_async_context(attached(agent, node.address, key=node.key))
            yield await house.enter_async_context(MeshClient(node.address, node.key))

    async def busy(self, mesh: MeshClient, times: int) -> None:
        """Call the baker, however that ends."""
        for _ in range(times):
            self.calls += 1
            with suppress(MeshError):
                await mesh.call("baker", "bake", {})

    def _baker(self) -> Agent:
        agent = Agent("baker", version="1.0.0")

        @agent.capability(limit=AMPLE)
        async def bake() -> dict[str, str]:
            if self.broken:
                raise AgentRefused("the oven is cold", code="INTERNAL", reason="OVEN_COLD")
            return {"bread": "warm"}

        return agent

    def _hasher(self) -> Agent:
        bounds = {"least": 100, "most": SLOW, "towards": "least", "where": "digest"}
        config = {"rounds": SLOW, "tunable": {"rounds": bounds}}
        agent = Agent("hasher", version="1.0.0", config=config)

        @agent.capability(limit=AMPLE)
        def digest(context: Context) -> str:
            data = b""
            for _ in range(int(str(context.config["rounds"]))):
                data = hashlib.sha256(data).digest()
            return data.hex()

        return agent


@pytest.fixture
def addresses(postgres_url: str, redis_url: str, open_folder: Path) -> Mapping[str, str]:
    """Stores and a workspace that nodes share."""
    workspace = open_folder / "ops-workspace"
    return {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url, "A2A_OPS_WORKSPACE": str(workspace)}


async def surely(work: Callable[[], Awaitable[Run]]) -> Run:
    """What can be asked for again on a busy machine, whose stores may be slow to answer."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(StoreUnavailable):
                return await work()
            await asyncio.sleep(LOOK)


async def until(mesh: MeshClient, run_id: str, holds: Callable[[Run], bool]) -> Run:
    """The run, once it stands so."""
    run = await surely(lambda: mesh.workflows.run(run_id))
    try:
        async with asyncio.timeout(PATIENCE):
            while not holds(run):
                await asyncio.sleep(LOOK)
                with suppress(StoreUnavailable):  # a busy machine
                    run = await mesh.workflows.run(run_id)
    except TimeoutError:
        raise AssertionError({step.id: (str(step.status), str(step.error)) for step in run.steps}) from None
    return run


def asks(run: Run) -> bool:
    """Whether it waits for somebody, with nothing else under way."""
    stands = {step.id: step.status for step in run.steps}
    return stands["approve"] is StepStatus.WAITING and StepStatus.RUNNING not in stands.values()


async def begun(shop: Shop, mesh: MeshClient) -> tuple[str, str]:
    """Runs of both templates, each of which waits for approval in its middle."""
    async with asyncio.timeout(PATIENCE):
        while len([one async for one in mesh.workflows.templates(tag="operations")]) < 3:  # noqa: ASYNC110 - put beside the start
            await asyncio.sleep(LOOK)
    await shop.busy(mesh, 60)
    marked = await mesh.call("monitor", "mark", {})
    assert isinstance(marked, dict)
    shop.broken = True
    await shop.busy(mesh, 30)
    watching = {"since": marked["at"], "watch": 8}
    incident = await surely(lambda: mesh.workflows.start("incident-response", watching, RunTerms(key="incident")))
    loading = {"agent": "hasher", "seconds": 3}
    tuning = await surely(lambda: mesh.workflows.start("performance-optimization", loading, RunTerms(key="tuning")))
    for run in (incident, tuning):
        await until(mesh, run.id, asks)
    return incident.id, tuning.id


async def at_work(mesh: MeshClient, incident: str, tuning: str) -> list[Run]:
    """Both runs and the one that remedies, once calls are watched and the hasher is measured again, side by side."""
    for run_id in (tuning, incident):
        await surely(partial(mesh.workflows.approve, run_id, "approve"))
    remedying = await until(mesh, incident, lambda run: bool(step(run, "act_approved").child_run_id))
    child = await until(mesh, step(remedying, "act_approved").child_run_id, runs("verify"))
    return [await until(mesh, tuning, runs("again")), await surely(partial(mesh.workflows.run, child.id)), remedying]


def step(run: Run, name: str) -> RunStep:
    """A step of a run."""
    return next(step for step in run.steps if step.id == name)


def runs(name: str) -> Callable[[Run], bool]:
    """Whether a step is at work."""
    return lambda run: step(run, name).status is StepStatus.RUNNING


async def test_both_are_finished_by_the_other_node_when_one_is_killed(
    addresses: Mapping[str, str], open_folder: Path
) -> None:
    """While calls are watched and load is measured; what was done is not done again, and a run has one trace."""
    shop, workspace = Shop(), Path(addresses["A2A_OPS_WORKSPACE"])
    with over_grpc() as receiver:
        options = (*OPS, "--trace-endpoint", receiver.address)
        with mesh_node(open_folder / "ops-first", addresses, *options) as first:
            async with shop.at(first) as mesh:
                ids = await begun(shop, mesh)  # at the one node there is, whose metrics show what is wrong
                with mesh_node(open_folder / "ops-heir", addresses, *options) as heir:
                    async with shop.at(heir) as mine:
                        before = await at_work(mesh, *ids)
                        assert [at_work_of(run) for run in before[:2]] == [["again"], ["verify"]]
                        # what a killed node has not sent yet is lost with it
                        await receiver.until(
                            lambda spans: [span.name for span in spans].count("step approve") == len(ids)
                        )
                        first.program.end(signal.SIGKILL)
                        traffic = asyncio.create_task(shop.busy(mine, 1_000_000))
                        after = [await until(mine, run.id, lambda run: run.status.terminal) for run in before]
                        traffic.cancel()
                        await checked_tuning(mine, after[0], workspace)
                        await checked_incident(mine, after[2], workspace)
        await receiver.until(lambda spans: {"run incident-response", "step verify"} <= {span.name for span in spans})
        checked_trace(receiver.spans, after[2], after[1])
    for earlier, later in zip(before, after, strict=True):
        done = {each.id: each.attempts for each in earlier.steps if each.status is StepStatus.COMPLETED}
        assert done
        assert done == {each.id: each.attempts for each in later.steps if each.id in done}


def at_work_of(run: Run) -> list[str]:
    """The steps of a run that run."""
    return [each.id for each in run.steps if each.status is StepStatus.RUNNING]


def checked_trace(spans: Sequence[Seen], run: Run, child: Run) -> None:
    """The run's span is below its start's, its steps' below it, and the other run below the step that began it."""
    (start,) = [span for span in spans if span.name.endswith("/StartRun") and f"{span.trace_id:032x}" == run.trace_id]
    (root,) = [span for span in spans if span.attributes.get("a2a.run") == run.id and span.name.startswith("run ")]
    (inner,) = [span for span in spans if span.attributes.get("a2a.run") == child.id and span.name.startswith("run ")]
    steps = {span.name: span for span in spans if span.parent_id == root.span_id and not span.store}
    below = {span.name: span for span in spans if span.parent_id == inner.span_id and not span.store}
    assert (root.parent_id, root.trace_id) == (start.span_id, start.trace_id)
    assert {"step detect", "step gather", "step explain", "step open", "step approve", "step act_approved"} <= {*steps}
    assert inner.parent_id == steps["step act_approved"].span_id
    assert {"step verify", "step timeline"} <= {*below}  # after the other node was killed
    called = {span.name for span in spans if span.parent_id == below["step timeline"].span_id}
    assert called == {"a2amesh.v1.AgentService/InvokeStream"}


async def checked_incident(mesh: MeshClient, run: Run, workspace: Path) -> None:
    """The baker is disabled, and the story is told."""
    assert (run.status, str(run.error or "")) == (RunStatus.COMPLETED, "")
    assert run.output is not None
    name = str(run.output["incident"])
    assert not (await mesh.agents.get("baker")).agent.enabled
    told = json.loads((workspace / "incidents" / name / "timeline.json").read_text())["incident"]
    assert told["status"] == "resolved"
    assert [entry["what"].partition(":")[0] for entry in told["entries"]] == [
        "opened, critical",
        "remedy",
        "verified",
    ]
    notes = [file.read_text() for file in (workspace / "notifications").rglob("*.json")]
    assert len([note for note in notes if name in note]) == 2


async def checked_tuning(mesh: MeshClient, run: Run, workspace: Path) -> None:
    """What was measured decides whether the setting stays, on a machine of whatever speed; the report says so."""
    assert (run.status, str(run.error or "")) == (RunStatus.COMPLETED, "")
    assert run.output is not None
    rounds = (await mesh.agents.get("hasher")).agent.descriptor.config["rounds"]
    told = json.loads((workspace / "tuning" / "optimization.json").read_text())
    settled = told["settled"]
    assert rounds == (FAST if settled["kept"] else SLOW)
    assert settled["comparison"]["keep"] is settled["kept"]
    assert "<svg" in (workspace / str(run.output["flame_graph"])).read_text()
    assert step(run, "slowest_steps").status is StepStatus.COMPLETED
    assert "baseline" in [each["step"] for each in told["slow_steps"]]
    assert {each["agent"] for each in told["slow_calls"]} == {"hasher"}
    assert (run.output["slowest_call"], run.output["slowest_step"]) == (told["slow_calls"][0], told["slow_steps"][0])
    assert "## Slowest steps of runs" in (workspace / str(run.output["report"])).read_text()
