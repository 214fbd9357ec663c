"""Statements that the driver is given as they stand: how they are answered, and what the busiest of them reads."""

from __future__ import annotations

from collections import defaultdict

import asyncpg
import pytest
from sqlalchemy import text

from a2a_node.model.errors import InvalidInput, StoreUnavailable
from a2a_node.model.runs import RunChange, RunStatus
from a2a_node.store.hot import Hot
from a2a_node.store.postgres import connected
from a2a_node.store.run_statements import CHANGE
from a2a_node.store.runs import PostgresRuns
from tests.contract.run_houses import new_run

SUM = Hot(
    text("""
SELECT CAST(:a AS integer) / CAST(:b AS integer) AS made, jsonb_build_array(CAST(:a AS integer)) AS said
""")
)
PLANNED = text("""
SELECT custom_plans AS anew, generic_plans AS kept FROM pg_prepared_statements
WHERE statement LIKE '%workflow_runs%' AND statement NOT LIKE '%pg_prepared_statements%'
""")
TRIED = 5  # times that Postgres plans a statement anew before it may keep a plan
SLEEP = Hot(text("SELECT pg_sleep(CAST(:seconds AS double precision))"))


async def test_it_is_answered_as_any_other(postgres_url: str) -> None:
    """By name, with JSON as values; a name that comes twice is one parameter."""
    async with connected(postgres_url) as postgres:
        (row,) = await postgres.ask(SUM, {"b": 2, "a": 6})
        (same,) = await postgres.fetch(SUM.statement, {"b": 2, "a": 6})
    assert dict(row) == dict(same) == {"made": 3, "said": [6]}


async def test_what_fails_or_takes_too_long_spoils_no_connection(postgres_url: str) -> None:
    """There is one, and the next who asks has it, or a fresh one."""
    async with connected(postgres_url, pool_size=1, patience=2.0, believed=60.0) as postgres:
        for _ in range(2):
            with pytest.raises(InvalidInput):
                await postgres.ask(SUM, {"a": 1, "b": 0})
            with pytest.raises(StoreUnavailable):
                await postgres.ask(SLEEP, {"seconds": 30.0})
            assert (await postgres.ask(SUM, {"a": 4, "b": 2}))[0]["made"] == 2
        assert postgres.pool().in_use == 0


async def test_a_change_reads_the_steps_of_its_run_alone(postgres_url: str) -> None:
    """In the plan that Postgres keeps for all, however little it knows of the tables."""
    change = Hot(CHANGE)
    nothing = ", ".join("NULL" for _ in change.values(defaultdict(str)))
    link = await asyncpg.connect(postgres_url)
    try:
        await link.execute(f"SET plan_cache_mode = force_generic_plan; PREPARE change AS {change.text}")
        plan = await link.fetch(f"EXPLAIN EXECUTE change ({nothing})")
    finally:
        await link.close()
    assert [line for (line,) in plan if "workflow_steps" in line]
    assert not [line for (line,) in plan if "Seq Scan on workflow_steps" in line]


async def test_what_every_run_asks_is_not_planned_anew(postgres_url: str) -> None:
    """To be recorded, claimed and changed: planning takes longer than the rest."""
    async with connected(postgres_url, pool_size=1, believed=60.0) as postgres:
        runs = PostgresRuns(postgres)
        await runs.renew("one", "n1", 60.0)
        for _ in range(2 * TRIED):
            recorded = await runs.record(new_run("a"))
            await runs.claim("one", 10, [], fresh=True)
            await runs.change("one", recorded.id, [], RunChange(RunStatus.COMPLETED))
        planned = [(row["anew"], row["kept"]) for row in await postgres.fetch(PLANNED)]
    assert planned == [(TRIED, TRIED)] * 3
