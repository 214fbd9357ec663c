"""Schedules over real stores: each minute of a template is one run of whole nodes, in the name of who put it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from sqlalchemy import text

from a2a_node.client import MeshClient
from a2a_node.model.audit import AuditFilter, AuditOutcome, Fact
from a2a_node.model.runs import Run, RunFilter
from a2a_node.store import postgres
from tests.integration.people import Meet, Meeting, meet
from tests.integration.test_metrics import metrics, total

__all__ = ["meet"]

PATIENCE = 20.0
AGED = text("UPDATE workflow_templates SET created_at = created_at - interval '90 seconds'")
SOURCE = """\
name: often
schedule: "* * * * *"
inputs: {who: {type: string, default: world}}
steps: {greet: {agent: echo, capability: say, input: {text: "${{ inputs.who }}"}}}
"""


async def put(mesh: MeshClient, url: str) -> None:
    """Put the template, as if that were a while ago: nobody waits for the next minute in a test."""
    await mesh.workflows.put(SOURCE)
    async with postgres.connected(url) as database:
        await database.fetch(AGED)


async def taken_up(nodes: Sequence[Meeting], outcome: str) -> None:
    """Wait until some node has taken a minute up."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if sum([await counted(node, outcome) for node in nodes]):
                return
            await asyncio.sleep(0.1)


async def counted(node: Meeting, outcome: str) -> float:
    """How many minutes a node has taken up, with that outcome."""
    return total(await metrics(node.node), "a2a_workflow_schedules_total", outcome=outcome)


async def runs_of(mesh: MeshClient) -> Sequence[Run]:
    """The template's runs."""
    return [run async for run in mesh.workflows.runs(RunFilter(template="often"))]


async def fact_of(mesh: MeshClient, outcome: AuditOutcome) -> Fact:
    """What the audit says of a start of a run that ended so, once it does."""
    async with asyncio.timeout(PATIENCE):
        while True:
            async for event in mesh.audit.list(AuditFilter(action="workflow:start-run", outcome=outcome)):
                return event.fact
            await asyncio.sleep(0.1)


async def test_each_minute_is_one_run_in_the_name_of_who_put_the_template(meet: Meet, postgres_url: str) -> None:
    """Three nodes that start together; the run has its defaults, a trace of its own, and an event in the audit."""
    async with meet("zero") as first:
        for permission in ("workflow:write", "workflow:start"):
            await first.dev.grants.give("person:ann", permission)
        await put(first.ann, postgres_url)
    async with meet("one") as one, meet("two") as two, meet("three") as three:
        nodes = (one, two, three)
        await taken_up(nodes, "started")
        runs = await runs_of(one.dev)
        minutes = [run.metadata["minute"] for run in runs]
        assert len(set(minutes)) == len(minutes) >= 1  # another minute may have begun meanwhile
        run = await one.dev.workflows.run(runs[-1].id)
        assert (run.created_by, run.template_version, run.inputs) == ("person:ann", 1, {"who": "world"})
        assert run.metadata["schedule"] == "* * * * *"
        fact = await fact_of(one.dev, AuditOutcome.SUCCEEDED)
        assert (fact.user_id, fact.metadata["step"]) == ("person:ann", "schedule")
        assert fact.metadata["run_id"] in {run.id for run in runs}
        assert fact.target == f"run:{fact.metadata['run_id']} template:often 1"


@pytest.mark.parametrize("why", ["no permission", "a narrow key", "a revoked key", "frozen"])
async def test_who_may_not_start_runs_now_has_none_started(meet: Meet, postgres_url: str, why: str) -> None:
    """Whatever was allowed when the template was put; the minute is refused once, with an event in the audit."""
    async with meet("zero") as first:
        grant, *_ = [
            await first.dev.grants.give("person:ann", permission) for permission in ("workflow:start", "workflow:write")
        ]
        narrow = ["workflow:write"] if why == "a narrow key" else []
        key = await first.dev.keys.create(principal="person:ann", permissions=narrow)
        async with MeshClient(first.node.grpc_address, key.secret) as ann:
            await put(ann, postgres_url)
        if why == "no permission":
            await first.dev.grants.revoke(grant.id)
        if why == "a revoked key":
            await first.dev.keys.revoke(key.key.id)
        if why == "frozen":
            await first.dev.freezes.freeze("person:ann", "a test")
    async with meet("one") as one, meet("two") as two:
        await taken_up((one, two), "refused")
        assert await runs_of(one.dev) == []
        fact = await fact_of(one.dev, AuditOutcome.REFUSED)
        assert (fact.user_id, fact.metadata["step"]) == ("person:ann", "schedule")


async def test_a_schedule_stands_until_somebody_puts_the_template_anew(meet: Meet) -> None:
    """The same source by another principal, or with another key, is another version: theirs from then on."""
    async with meet("one") as one:
        for person in ("ann", "bob"):
            await one.dev.grants.give(f"person:{person}", "workflow:write")
        versions = [(await mesh.workflows.put(SOURCE)).version for mesh in (one.ann, one.ann, one.bob)]
        assert [version.version for version in versions] == [1, 1, 2]
        key = await one.dev.keys.create(principal="person:bob")
        async with MeshClient(one.node.grpc_address, key.secret) as bob:
            assert (await bob.workflows.put(SOURCE)).version.version == 3
