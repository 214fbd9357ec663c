"""What a run of a built-in template has changed comes back when it fails afterwards: on a real node with its engine."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from a2a_node.model.errors import TemplateNotFound
from a2a_node.model.runs import Run, RunStatus
from a2a_node.ops.programs import SENSIBLE, Programs
from tests.integration.people import Meet, Meeting, meet
from tests.unit.ops.projects import FILES, repository

__all__ = ["meet"]

PATIENCE = 240.0
LOOK = 0.05
ONLY_STAGING = FILES["till/__init__.py"] + '\n\nif "production" in __file__:\n    raise RuntimeError("not here")\n'
OLD = "def total(prices: list[int]) -> int:\n    return 0\n"
SHOP = "CREATE TABLE goods AS SELECT i AS id FROM generate_series(1, 1000) i"


@asynccontextmanager
async def delivering(meet: Meet, folder: Path, **settings: object) -> AsyncIterator[Meeting]:
    """A node with its engine and all agents of the templates."""
    workspace = folder / "workspace"
    (workspace / "advisories").mkdir(parents=True)
    async with meet(ops=("all",), ops_workspace=workspace, workflows=True, **settings) as one:
        yield one


async def started(one: Meeting, template: str, inputs: Mapping[str, object]) -> str:
    """A run of a built-in template, as soon as that is in the library."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(TemplateNotFound):
                return (await one.dev.workflows.start(template, inputs)).id
            await asyncio.sleep(LOOK)


async def until(one: Meeting, run_id: str, holds: Callable[[Run], bool]) -> Run:
    """The run, once it stands so."""
    async with asyncio.timeout(PATIENCE):
        while True:
            if holds(run := await one.dev.workflows.run(run_id)):
                return run
            await asyncio.sleep(LOOK)


async def approved(one: Meeting, run_id: str) -> None:
    """Wait for the question, and say yes."""
    await until(one, run_id, lambda run: run.status.terminal or statuses(run)["approve"] == "waiting")
    await one.dev.workflows.approve(run_id, "approve")


async def ended(one: Meeting, run_id: str) -> Run:
    """The run at its end."""
    return await until(one, run_id, lambda run: run.status.terminal)


def statuses(run: Run) -> dict[str, str]:
    """How each step stands."""
    return {step.id: str(step.status) for step in run.steps}


def undone(run: Run) -> set[str]:
    """The steps that were undone."""
    return {step.id for step in run.steps if step.compensated}


async def answer(one: Meeting, agent: str, capability: str, **said: object) -> dict[str, Any]:
    """What an agent answers."""
    found = await one.dev.call(agent, capability, said)
    assert isinstance(found, dict)
    return found


async def test_what_does_not_work_in_production_comes_back(meet: Meet, tmp_path: Path) -> None:
    """After the switch: both sites serve what they served before, and people are told."""
    source = repository(tmp_path / "till", **{"till/__init__.py": ONLY_STAGING})
    sites = tmp_path / "workspace" / "sites"
    async with delivering(meet, tmp_path, ops_git=(str(tmp_path),)) as one:
        for name in ("staging", "production"):
            (sites.parent / "old" / "till").mkdir(parents=True, exist_ok=True)
            (sites.parent / "old" / "till" / "__init__.py").write_text(OLD)
            old = await answer(one, "releases", "stage", site=f"till-{name}", source="old")
            await answer(one, "releases", "switch", site=f"till-{name}", release=old["release"])
        inputs = {"repository": str(source), "project": "till", "module": "till", "advisories": "advisories"}
        run_id = await started(one, "cicd-pipeline", inputs)
        await approved(one, run_id)
        assert (sites / "till-staging/current/till/__init__.py").read_text() == ONLY_STAGING
        run = await ended(one, run_id)
    stands = statuses(run)
    assert (run.status, stands["to_production"], stands["verify"]) == (RunStatus.FAILED, "completed", "failed"), (
        run.error
    )
    assert {"to_production", "to_staging", "stage"} <= undone(run)
    for name in ("staging", "production"):
        assert (sites / f"till-{name}/current/till/__init__.py").read_text() == OLD
    told = [json.loads(file.read_bytes())["title"] for file in (sites.parent / "notifications").rglob("*.json")]
    assert told == ["till 1.2.3 was taken back"]


def held(folder: Path) -> str:
    """The allow-list with a `pg_restore` that waits, while there is a file `hold`, for a file `go`."""
    real, workspace = Programs.of(("pg_restore",)).found["pg_restore"], folder / "workspace"
    script = folder / "bin" / "pg_restore"
    script.parent.mkdir()
    wait = (
        f"if [ -e {workspace}/hold ]; then touch {workspace}/held; until [ -e {workspace}/go ]; do sleep 0.05; done; fi"
    )
    script.write_text(f'#!/bin/sh\n{wait}\nexec {real} "$@"\n')
    script.chmod(0o700)
    return f"pg_restore={script}"


async def told(url: str, *statements: str) -> object:
    """What a database says to the last of some statements."""
    connection = await asyncpg.connect(url, ssl=False)
    try:
        return [await connection.fetchval(statement) for statement in statements][-1]
    finally:
        await connection.close()


@asynccontextmanager
async def shop(postgres_url: str) -> AsyncIterator[str]:
    """The URL of a database with goods, which goes with whatever was made beside it."""
    await told(postgres_url, "CREATE DATABASE shop_put_back")
    url = urlsplit(postgres_url)._replace(path="/shop_put_back").geturl()
    try:
        await told(url, SHOP)
        yield url
    finally:
        connection = await asyncpg.connect(postgres_url, ssl=False)
        for row in await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'shop_put_back%'"):
            await connection.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")
        await connection.close()


async def test_what_was_there_before_a_recovery_comes_back(meet: Meet, tmp_path: Path, postgres_url: str) -> None:
    """When the database is not what was backed up once it is in its place: somebody has written meanwhile."""
    workspace = tmp_path / "workspace"
    commands = (*(name for name in SENSIBLE if name != "pg_restore"), held(tmp_path))
    async with shop(postgres_url) as url:
        settings = {"ops_databases": f"shop={url}", "ops_commands": commands}
        async with delivering(meet, tmp_path, **settings) as one:
            place = {"database": "shop", "prefix": "shop"}
            backup = await ended(one, await started(one, "data-backup-recovery", place))
            assert backup.status is RunStatus.COMPLETED, backup.error
            await told(url, "DELETE FROM goods WHERE id > 3")
            run_id = await started(one, "data-recovery", place)
            await until(one, run_id, lambda run: statuses(run)["approve"] == "waiting")
            (workspace / "hold").touch()
            await one.dev.workflows.approve(run_id, "approve")
            async with asyncio.timeout(PATIENCE):
                while not (workspace / "held").exists():  # noqa: ASYNC110 - another process makes it
                    await asyncio.sleep(LOOK)
            await one.dev.workflows.pause(run_id)
            (workspace / "go").touch()
            await until(one, run_id, lambda run: statuses(run)["restore"] == "completed")
            assert await told(url, "SELECT count(*) FROM goods") == 1000
            await told(url, "DELETE FROM goods WHERE id = 1")
            await one.dev.workflows.resume(run_id)
            run = await ended(one, run_id)
        stands = statuses(run)
        assert (run.status, stands["compare"], stands["back"]) == (RunStatus.FAILED, "failed", "completed"), run.error
        assert undone(run) == {"restore"}
        assert await told(url, "SELECT count(*) FROM goods") == 3
