"""The agent `profiler`: where a node's processes spend their time, and which calls and steps take longest."""

from __future__ import annotations

import asyncio
import secrets
from datetime import UTC, datetime
from time import time
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from a2a_node.agent import Agent, Context
from a2a_node.model.errors import InvalidInput
from a2a_node.model.ops_ports import Deed
from a2a_node.model.principal import Principal
from a2a_node.model.runs import RunFilter
from a2a_node.ops.incidents import grouping
from a2a_node.ops.incidents.remedies import terms_of
from a2a_node.ops.incidents.senses import Hands, Senses
from a2a_node.ops.incidents.words import Edge
from a2a_node.ops.performance import flames, processes
from a2a_node.ops.performance.evidence import Hot, SlowCall
from a2a_node.ops.performance.steps import SlowStep
from a2a_node.ops.performance.steps import slowest as slowest_of
from a2a_node.ops.performance.taking import Wanted, from_inside, from_outside, taken
from a2a_node.ops.workplace import Workplace

INSPECT = "/grpc.channelz.v1.Channelz/GetServers"  # what looks into a node needs: `node:inspect`
TAP = "/a2amesh.v1.AuditService/TapCalls"
RUNS = "/a2amesh.v1.WorkflowService/ListRuns"
MOST = 20


class Profile(BaseModel):
    """A CPU profile."""

    pid: int
    how: Annotated[str, Field(description="`py-spy` from outside, or `inside`.")]
    note: Annotated[str, Field(description="Why it was not py-spy.")]
    samples: int
    flame_graph: Annotated[str, Field(description="An SVG in the workspace.")]
    raw: Annotated[str, Field(description="The stacks with their counts, a text file in the workspace.")]
    hottest: list[Hot]


class Slowest(BaseModel):
    """What takes the time."""

    ways: Annotated[list[Edge], Field(description="Who calls whom, by the time that goes into it.")]
    calls: Annotated[list[SlowCall], Field(description="Single calls, the longest first.")]


def made(workplace: Workplace, senses: Senses, hands: Hands) -> Agent:
    """The agent, on a workspace, with what it hears of the node."""
    agent = Agent(
        "profiler",
        version="1.0.0",
        description="Takes CPU profiles of a node's own processes, and finds the calls that take longest.",
        category="operations",
        tags=("built-in", "ops"),
    )
    _profiling(agent, workplace, hands)
    _finding(agent, senses, hands)
    return agent


def _profiling(agent: Agent, workplace: Workplace, hands: Hands) -> None:
    @agent.capability(name="processes")
    async def listed(context: Context) -> list[processes.Process]:
        """The processes of this node, the node first. Its callers need `node:inspect`."""
        await hands.deputy.act(Deed(INSPECT), terms_of(context), _nothing)
        return sorted(processes.own().values(), key=lambda one: (not one.is_node, one.pid))

    @agent.capability
    async def profile(
        context: Context,
        pid: Annotated[int, Field(ge=0, description="A process of this node; 0 means the node itself.")] = 0,
        seconds: Annotated[int, Field(ge=1, le=120)] = 5,
        rate: Annotated[int, Field(ge=10, le=1_000, description="Looks a second.")] = 100,
        how: Annotated[Literal["auto", "outside", "inside"], Field(description="By py-spy, or within the node.")] = (
            "auto"
        ),
    ) -> Profile:
        """Take a CPU profile and keep it as a flame graph. Its callers need `node:inspect`."""
        await hands.deputy.act(Deed(INSPECT), terms_of(context), _nothing)
        if seconds + 1 > context.time_left():
            raise InvalidInput("input.seconds", f"{seconds} s do not fit into the {context.time_left():.1f} s left")
        wanted = Wanted(processes.checked(pid), seconds, rate)
        if how == "inside" and wanted.pid != processes.checked(0):
            raise InvalidInput("input.how", "another process can only be looked into from outside")
        place = f"profiles/{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
        found = await (
            from_inside(wanted)
            if how == "inside"
            else from_outside(workplace, wanted, f"{place}.raw")
            if how == "outside"
            else taken(workplace, wanted, f"{place}.raw")
        )
        title = f"process {wanted.pid}, {seconds} s, {rate} Hz, {found.how}"
        await workplace.write("input", f"{place}.raw", flames.written(found.stacks).encode())
        drawing = await asyncio.to_thread(flames.drawn, found.stacks, title)
        await workplace.write("input", f"{place}.svg", drawing.encode())
        return Profile(
            pid=wanted.pid,
            how=found.how,
            note=found.note,
            samples=sum(found.stacks.values()),
            flame_graph=f"{place}.svg",
            raw=f"{place}.raw",
            hottest=[
                Hot(function=name[:300], own=round(own, 4), within=round(within, 4))
                for name, own, within in flames.hottest(found.stacks, MOST)
            ],
        )


def _finding(agent: Agent, senses: Senses, hands: Hands) -> None:
    @agent.capability
    async def slowest(
        context: Context,
        since: Annotated[float, Field(ge=0, description="Seconds since the epoch; 0 means `window` before now.")] = 0.0,
        window: Annotated[float, Field(gt=0, le=86_400, description="Seconds before now.")] = 300.0,
        agent: Annotated[str, Field(max_length=63, description="Only calls on whose way it stands.")] = "",
    ) -> Slowest:
        """What of this node's last calls took the time. Its callers need `audit:read`."""

        async def seen(_: Principal) -> Slowest:
            calls = [
                call
                for call in await senses.calls.since(since or time() - window)
                if not agent or agent in (*call.call_path, call.agent)
            ]
            longest = sorted(calls, key=lambda call: -call.seconds)[:MOST]
            return Slowest(
                ways=(await asyncio.to_thread(grouping.edges, calls))[:MOST],
                calls=[
                    SlowCall(
                        agent=call.agent,
                        capability=call.capability,
                        seconds=round(call.seconds, 6),
                        reason=call.reason,
                        call_id=call.call_id,
                        trace_id=call.trace_id,
                        path=list(call.call_path),
                    )
                    for call in longest
                ],
            )

        return await hands.deputy.act(Deed(TAP), terms_of(context), seen)

    @agent.capability
    async def slowest_steps(
        context: Context,
        template: Annotated[str, Field(max_length=63, description="Only runs of it; absent: of all.")] = "",
        runs: Annotated[int, Field(ge=1, le=200, description="How many of the newest runs are looked at.")] = 20,
    ) -> list[SlowStep]:
        """Which steps of workflow runs took the time, on whatever node. Its callers need `workflow:read`."""

        async def read(_: Principal) -> list[SlowStep]:
            found = await senses.runs.list(RunFilter(template=template), None, runs)
            return slowest_of([await senses.runs.get(run.id) for run in found], MOST)

        return await hands.deputy.act(Deed(RUNS), terms_of(context), read)


async def _nothing(_: Principal) -> None:
    """What is asked for is permission alone."""
