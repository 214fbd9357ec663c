"""Incidents on a real node, each from its detection to its end by the template: approved, remedied, verified, told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from a2a_node.agent import Agent, AgentRefused
from a2a_node.attach import attached
from a2a_node.model.errors import MeshError, TemplateNotFound
from a2a_node.model.limits import LimitKey
from a2a_node.model.runs import Run, RunStatus, StepStatus
from tests.ample import AMPLE
from tests.integration.mcp_house import misbehaving
from tests.integration.people import Meet, Meeting, meet
from tests.unit.ops.places import answer, served

__all__ = ["meet"]

PATIENCE = 120.0
LOOK = 0.05
Ask = Callable[[], Awaitable[object]]


class Baker:
    """A copy of an agent, which can be told to fail; it takes longer than a busy machine adds."""

    def __init__(self, name: str = "baker", takes: float = 0.03) -> None:
        self._takes = takes
        self.broken = False
        self.asked = 0
        self.agent = Agent(name, version="1.0.0")
        self.agent.capability(name="bake", limit=AMPLE)(self._bake)

    async def _bake(self) -> dict[str, str]:
        self.asked += 1
        await asyncio.sleep(self._takes)
        if self.broken:
            raise AgentRefused("the oven is cold", code="FAILED_PRECONDITION", reason="OVEN_COLD")
        return {"bread": "warm"}


@asynccontextmanager
async def watched(meet: Meet, folder: Path) -> AsyncIterator[tuple[Meeting, list[bytes]]]:
    """A node with a monitor and its engine, once the templates are there; and what its pager was sent."""
    agents = {"ops": ("monitor", "notifier"), "ops_workspace": folder / "workspace", "workflows": True}
    async with (
        served(answer(b"")) as (url, heard),
        meet(**agents, limit_rate=10, limit_burst=100, ops_webhooks=f"pager={url}/hook") as one,
    ):
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(TemplateNotFound):
                    await one.dev.workflows.get("incident-response")
                    await one.dev.workflows.get("incident-remediation")
                    break
                await asyncio.sleep(LOOK)
        yield one, heard


async def busy(ask: Ask, times: int) -> None:
    """Call so often, however that ends."""
    for _ in range(times):
        with suppress(MeshError):
            await ask()


async def stands(one: Meeting, run_id: str, holds: Callable[[Run], bool]) -> Run:
    """The run, once it stands so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if holds(run := await one.dev.workflows.run(run_id)):
                return run
            await asyncio.sleep(LOOK)


def asks(run: Run) -> bool:
    """Whether it waits for somebody's word, or has ended without."""
    return run.status.terminal or any(step.status is StepStatus.WAITING for step in run.steps)


async def noticed(one: Meeting, ask: Ask, spoil: Callable[[], Awaitable[None]], **inputs: object) -> Run:
    """The run that looks into what is spoilt after all went well."""
    await busy(ask, 60)
    marked = await one.dev.call("monitor", "mark", {})
    assert isinstance(marked, dict)
    await spoil()
    return await one.dev.workflows.start("incident-response", {"since": marked["at"], "watch": 1, **inputs})


async def remedied(one: Meeting, ask: Ask, spoil: Callable[[], Awaitable[None]]) -> dict[str, Any]:
    """What an incident's remedy was, once its run has gone to its end under traffic."""
    begun = await noticed(one, ask, spoil)
    run = await stands(one, begun.id, asks)
    (step,) = (await one.dev.workflows.run(run.id, "explain")).steps
    explained = step.output
    assert {each.id: each.status for each in run.steps}["approve"] is StepStatus.WAITING, explained
    await one.dev.workflows.approve(run.id, "approve")
    traffic = asyncio.create_task(busy(ask, 1_000_000))
    run = await stands(one, run.id, lambda now: now.status.terminal)
    traffic.cancel()
    await asyncio.wait([traffic])
    assert (run.status, str(run.error or "")) == (RunStatus.COMPLETED, "")
    assert isinstance(explained, dict)
    return {**explained["remedy"], "incident": run.output["incident"] if run.output else ""}


def story(folder: Path, incident: object) -> dict[str, Any]:
    """What the timeline tells."""
    told = json.loads((folder / "workspace" / "incidents" / str(incident) / "timeline.json").read_text())["incident"]
    assert isinstance(told, dict)
    return told


def is_whole(told: dict[str, Any]) -> bool:
    """Whether it was opened, remedied, verified and resolved."""
    whats = [entry["what"].partition(":")[0].partition(",")[0] for entry in told["entries"]]
    return told["status"] == "resolved" and whats == ["opened", "remedy", "verified"]


async def test_each_remedy_ends_what_it_is_for(meet: Meet, tmp_path: Path) -> None:
    """An MCP server is restarted, a copy of an agent is drained, a caller is limited; nobody is asked, and all told."""
    async with watched(meet, tmp_path) as (one, heard):
        scenarios: Sequence[Callable[[Meeting], Awaitable[object]]] = (
            _a_server_is_restarted,
            _a_copy_is_drained,
            _a_caller_is_limited,
            partial(_an_agent_is_disabled_unasked, heard),
        )
        for scenario in scenarios:
            told = story(tmp_path, await scenario(one))
            assert is_whole(told), (scenario, told["status"], told["entries"])


async def _a_server_is_restarted(one: Meeting) -> object:
    await one.dev.limits.set(100_000, 100_000, LimitKey(agent="mcp.odd"))
    await one.dev.tools.add("odd", misbehaving())
    await _runs(one)
    before = await one.dev.call("mcp.odd", "pid", {})
    work = partial(one.dev.call, "mcp.odd", "moody", {})

    async def spoil() -> None:
        await busy(partial(one.dev.call, "mcp.odd", "moody", {"spoil": True}), 1)
        await busy(work, 30)

    remedy = await remedied(one, work, spoil)
    assert (remedy["action"], remedy["server"]) == ("restart_server", "odd")
    assert await work() == "done"
    assert await one.dev.call("mcp.odd", "pid", {}) != before
    return remedy["incident"]


async def _runs(one: Meeting) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(MeshError):
                await one.dev.call("mcp.odd", "pid", {})
                return
            await asyncio.sleep(LOOK)


async def _a_copy_is_drained(one: Meeting) -> object:
    first, second = Baker(), Baker()
    async with (
        attached(first.agent, one.node.grpc_address, key=one.dev_key) as here,
        attached(second.agent, one.node.grpc_address, key=one.dev_key) as there,
    ):
        work = partial(one.dev.call, "baker", "bake", {})

        async def spoil() -> None:
            max(first, second, key=_asked).broken = True
            await asyncio.gather(*(busy(work, 20) for _ in range(10)))  # one by one, one copy may have all

        remedy = await remedied(one, work, spoil)
        bad, place = (first, here) if first.broken else (second, there)
        assert (remedy["action"], remedy["instance"]) == ("drain_instance", place.instance_id)
        assert place.instance_id not in [copy.id for copy in (await one.dev.agents.get("baker")).instances]
        for _ in range(20):
            assert await work() == {"bread": "warm"}
    async with attached(bad.agent, one.node.grpc_address, key=one.dev_key) as back:
        assert back.instance_id in [copy.id for copy in (await one.dev.agents.get("baker")).instances]
    return remedy["incident"]


def _asked(baker: Baker) -> int:
    return baker.asked


async def _a_caller_is_limited(one: Meeting) -> object:
    key = LimitKey("person:ann", "grocer", "bake")
    await one.dev.grants.give("person:ann", "agent:grocer:invoke")
    await one.dev.limits.set(1_000, 100, key)
    ask = partial(one.ann.call, "grocer", "bake", {})

    async def spoil() -> None:
        await one.dev.limits.set(20, 20, key)
        await asyncio.gather(*(busy(ask, 20) for _ in range(10)))

    async with attached(Baker("grocer").agent, one.node.grpc_address, key=one.dev_key):
        remedy = await remedied(one, ask, spoil)
    assert (remedy["action"], remedy["agent"], remedy["principal"]) == ("lower_limit", "grocer", "person:ann")
    assert (await one.dev.limits.get(LimitKey("person:ann", "grocer"))).limit.rate.rate <= 10
    return remedy["incident"]


async def _an_agent_is_disabled_unasked(heard: list[bytes], one: Meeting) -> object:
    """No worse than what may be acted on without approval; who is on call hears of it over HTTP."""
    miller = Baker("miller", takes=0.001)
    ask = partial(one.dev.call, "miller", "bake", {})

    async def spoil() -> None:
        miller.broken = True
        await busy(ask, 30)

    async with attached(miller.agent, one.node.grpc_address, key=one.dev_key):
        begun = await noticed(one, ask, spoil, approve_above="critical", channel="pager")
        traffic = asyncio.create_task(busy(ask, 1_000_000))
        run = await stands(one, begun.id, lambda now: now.status.terminal)
        traffic.cancel()
        await asyncio.wait([traffic])
    steps = {each.id: str(each.status) for each in run.steps}
    assert (run.status, str(run.error or "")) == (RunStatus.COMPLETED, "")
    assert (steps["notify"], steps["act"]) == ("completed", "completed")
    assert (steps["approve"], steps["act_approved"]) == ("skipped", "skipped")
    assert not (await one.dev.agents.get("miller")).agent.enabled
    incident = run.output["incident"] if run.output else ""
    first, last = (json.loads(each.partition(b"\r\n\r\n")[2]) for each in heard)
    assert (first["title"], first["severity"]) == (f"{incident}: agent_failing miller (critical)", "critical")
    assert last["title"] == f"{incident}: recovered"
    return incident
