"""Runs on a real node and its engine that meet their bounds: limits of calls, budgets, time; and what people query."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from sqlalchemy import text

from a2a_node.client.runs import RunTerms
from a2a_node.model.limits import LimitKey
from a2a_node.model.runs import Run, RunStatus
from a2a_node.store import postgres
from tests.integration.people import Meet, Meeting, meet

__all__ = ["meet"]

PATIENCE = 120.0
CROWD = """\
name: crowd
steps:
  many:
    agent: echo
    capability: say
    foreach: inputs.items
    max_concurrent_items: 50
    input: {text: "${{ string(item) }}"}
  after: {agent: echo, capability: say, needs: many, input: {text: done}}
inputs:
  items: {type: array}
"""
PAIR = """\
name: pair
timeout: 1h
steps:
  first: {agent: echo, capability: say, input: {text: one}}
  second: {agent: echo, capability: say, needs: first, input: {text: two}}
"""
SLOW = """\
name: slow
timeout: 1s
steps:
  first: {agent: echo, capability: count, input: {n: 2, delay_ms: 1500}}
"""
QUERY = """
SELECT name, description, status, steps, global_context, created_by, created_at, started_at, completed_at, metadata,
  completed_steps, total_steps
FROM workflows WHERE id = :id
"""


async def ended(one: Meeting, run_id: str) -> Run:
    """The run at its end, with its steps."""
    async with asyncio.timeout(PATIENCE):
        async for _ in one.dev.workflows.watch(run_id):
            pass
        return await one.dev.workflows.run(run_id)


async def test_runs_keep_to_their_bounds(meet: Meet, postgres_url: str) -> None:
    """In one node, whose engine takes a while to begin."""
    async with meet(workflows=True) as one:
        for source in (CROWD, PAIR, SLOW):
            await one.dev.workflows.put(source)
        await _people_query_what_was_done(one, postgres_url)
        await _a_fast_run_waits_for_its_turn(one)
        await _a_retried_run_has_its_budget_anew(one)
        await _a_retried_run_has_its_time_anew(one)


async def _people_query_what_was_done(one: Meeting, postgres_url: str) -> None:
    terms = RunTerms(name="pair 7", description="why", context={"ticket": 7}, metadata={"team": "x"})
    run = await ended(one, (await one.dev.workflows.start("pair", how=terms)).id)
    async with postgres.connected(postgres_url) as database:
        (row,) = await database.fetch(text(QUERY), {"id": run.id})
    told = ("name", "description", "status", "global_context", "created_by", "metadata")
    assert [row[name] for name in told] == [
        "pair 7", "why", "completed", {"ticket": 7}, "person:dev", {"team": "x"}
    ]  # fmt: skip
    assert (row["created_at"], row["started_at"], row["completed_at"]) == (
        run.created_at, run.started_at, run.completed_at
    )  # fmt: skip
    assert row["created_at"] <= row["started_at"] <= row["completed_at"]
    assert (row["completed_steps"], row["total_steps"]) == (2, 2)
    steps = row["steps"]
    assert [(step["id"], step["status"], step["needs"]) for step in steps] == [
        ("first", "completed", []), ("second", "completed", ["first"])
    ]  # fmt: skip
    moments = [datetime.fromisoformat(step[name]) for step in steps for name in ("started_at", "completed_at")]
    in_order = [row["started_at"], *moments, row["completed_at"]]
    assert in_order == sorted(in_order)
    assert moments == [moment for step in run.steps for moment in (step.started_at, step.completed_at)]


async def _a_fast_run_waits_for_its_turn(one: Meeting) -> None:
    key = LimitKey("person:dev", "echo", "say")
    await one.dev.limits.set(20, 5, key)
    begun = await one.dev.workflows.start("crowd", {"items": list(range(40))})
    run = await ended(one, begun.id)
    assert (run.status, str(run.error or "")) == (RunStatus.COMPLETED, "")
    assert len(run.steps[1].attempts) == 1
    taken = run.completed_at and run.started_at and (run.completed_at - run.started_at).total_seconds()
    assert taken
    assert taken > (41 - 5) / 20 - 0.1  # as the limit says
    await one.dev.limits.reset(key)


async def _a_retried_run_has_its_budget_anew(one: Meeting) -> None:
    begun = await one.dev.workflows.start("pair", {}, RunTerms(budget={"calls": 1}))
    run = await ended(one, begun.id)
    assert run.error is not None
    assert (run.status, run.error.reason) == (RunStatus.FAILED, "BUDGET_EXHAUSTED")
    await one.dev.workflows.retry(run.id)
    again = await ended(one, run.id)
    assert (again.status, str(again.error or "")) == (RunStatus.COMPLETED, "")
    assert again.steps[0].attempts == run.steps[0].attempts


async def _a_retried_run_has_its_time_anew(one: Meeting) -> None:
    begun = await one.dev.workflows.start("slow")
    run = await ended(one, begun.id)
    assert run.error is not None
    assert (run.status, run.error.reason) == (RunStatus.FAILED, "RUN_EXPIRED")
    asked_at = datetime.now(UTC)
    again = await one.dev.workflows.retry(run.id)
    assert (again.expires_at - asked_at).total_seconds() > 0.5
    assert (await ended(one, run.id)).error is not None
    longer = await one.dev.workflows.retry(run.id, timeout=600)
    assert (longer.expires_at - asked_at).total_seconds() > 500
    assert (await ended(one, run.id)).status is RunStatus.COMPLETED
