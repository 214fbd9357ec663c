"""Delivery, backup and recovery on two nodes that share a workspace, one of which is killed meanwhile."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg

from a2a_node.model.errors import TemplateNotFound
from a2a_node.model.runs import RunStatus
from tests.e2e.nodes import RunningNode, mesh_node
from tests.e2e.runs import LOOK, Desk, at_desk, soon, statuses
from tests.unit.ops.projects import FILES, repository

PATIENCE = 240.0  # seconds, for what takes a tenth of it on a machine that does nothing else
LEASE = ("--lease", "3", "--ops", "all")
HELD = """\
from pathlib import Path
from time import sleep

from till import total


def test_total() -> None:
    shared = Path(__file__).parents[3]
    (shared / "held").write_text("x")
    while not (shared / "go").exists():
        sleep(0.05)
    assert total([1, 2]) == 3
"""


def environment(folder: Path, postgres_url: str, redis_url: str) -> dict[str, str]:
    """Stores and a workspace that nodes share."""
    stores = {"A2A_POSTGRES_URL": postgres_url, "A2A_REDIS_URL": redis_url}
    return {**stores, "A2A_OPS_WORKSPACE": str(folder / "shared"), "A2A_OPS_GIT": str(folder)}


async def known(desk: Desk, template: str) -> None:
    """Wait until a node has put a template into the library."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(TemplateNotFound):
                await desk.mesh.workflows.get(template)
                return
            await asyncio.sleep(LOOK)


async def test_a_project_reaches_production_though_a_node_is_killed(
    postgres_url: str, redis_url: str, open_folder: Path, tmp_path: Path
) -> None:
    """In the middle of its tests; somebody approves at the node that is left."""
    source, shared = repository(tmp_path / "till", **{"tests/test_till.py": HELD}), tmp_path / "shared"
    (shared / "advisories").mkdir(parents=True)
    inputs = {"repository": str(source), "project": "till", "module": "till", "advisories": "advisories"}
    folder = open_folder / tmp_path.name
    folder.mkdir()
    environ = environment(tmp_path, postgres_url, redis_url)
    with mesh_node(folder / "killed", environ, *LEASE) as first, mesh_node(folder / "heir", environ, *LEASE) as heir:
        async with at_desk(first) as desk:
            await known(desk, "cicd-pipeline")
            run_id = (await desk.mesh.workflows.start("cicd-pipeline", inputs)).id
            await soon((shared / "held").exists, PATIENCE)
        first.program.end(signal.SIGKILL)
        (shared / "go").touch()
        async with at_desk(heir) as desk:
            await desk.until(run_id, lambda run: statuses(run)["approve"] == "waiting", PATIENCE)
            assert (shared / "sites/till-staging/current/till/__init__.py").is_file()
            assert not (shared / "sites/till-production/current").exists()
            await desk.mesh.workflows.approve(run_id, "approve")
            run = await desk.ended(run_id, PATIENCE)
    assert run.status is RunStatus.COMPLETED, run.error
    assert run.output is not None
    assert run.output["deployed"] is True
    assert (shared / "sites/till-production/current/till/__init__.py").read_text() == FILES["till/__init__.py"]
    assert len(list((shared / "notifications").rglob("*.json"))) == 1


async def told(url: str, statement: str) -> object:
    """What a database says."""
    connection = await asyncpg.connect(url, ssl=False)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


async def test_a_database_is_backed_up_and_restored_though_nodes_are_killed(
    postgres_url: str, redis_url: str, open_folder: Path, tmp_path: Path
) -> None:
    """One in the middle of the dump, and one while somebody is asked whether to restore."""
    await told(postgres_url, "CREATE DATABASE shop_of_ops")
    shop = urlsplit(postgres_url)._replace(path="/shop_of_ops").geturl()
    environ = {**environment(tmp_path, postgres_url, redis_url), "A2A_OPS_DATABASES": f"shop={shop}"}
    folder = open_folder / tmp_path.name
    folder.mkdir()
    try:
        await told(shop, "CREATE TABLE goods AS SELECT i AS id FROM generate_series(1, 1000) i")
        with mesh_node(folder / "1", environ, *LEASE) as first, mesh_node(folder / "2", environ, *LEASE) as second:
            assert await backed_up(first, second, shop) == 1000
            await told(shop, "DELETE FROM goods")
            with mesh_node(folder / "3", environ, *LEASE) as third:
                assert await restored(second, third) == 1000
        assert await told(shop, "SELECT count(*) FROM goods") == 1000
    finally:
        connection = await asyncpg.connect(postgres_url, ssl=False)
        for row in await connection.fetch("SELECT datname FROM pg_database WHERE datname LIKE 'shop_of_ops%'"):
            await connection.execute(f"DROP DATABASE {row['datname']} WITH (FORCE)")
        await connection.close()


async def backed_up(first: RunningNode, heir: RunningNode, shop: str) -> object:
    """The rows of a backup; the first node is killed in the middle of the dump, which waits for a lock."""
    busy = await asyncpg.connect(shop, ssl=False)
    async with busy.transaction():
        await busy.execute("LOCK TABLE goods IN ACCESS EXCLUSIVE MODE")
        async with at_desk(first) as desk:
            await known(desk, "data-backup-recovery")
            inputs = {"database": "shop", "prefix": "shop"}
            run_id = (await desk.mesh.workflows.start("data-backup-recovery", inputs)).id
            await desk.until(run_id, lambda run: statuses(run)["dump"] == "running", PATIENCE)
        first.program.end(signal.SIGKILL)
    await busy.close()
    return await rows(heir, run_id)


async def restored(first: RunningNode, heir: RunningNode) -> object:
    """The rows that a recovery brings back; the first node is killed while somebody is asked."""
    async with at_desk(first) as desk:
        run_id = (await desk.mesh.workflows.start("data-recovery", {"database": "shop", "prefix": "shop"})).id
        await desk.until(run_id, lambda run: statuses(run)["approve"] == "waiting", PATIENCE)
    first.program.end(signal.SIGKILL)
    async with at_desk(heir) as desk:
        await desk.mesh.workflows.approve(run_id, "approve")
    return await rows(heir, run_id)


async def rows(node: RunningNode, run_id: str) -> object:
    """What a run tells, once it is completed."""
    async with at_desk(node) as desk:
        run = await desk.ended(run_id, PATIENCE)
    assert run.status is RunStatus.COMPLETED, run.error
    assert run.output is not None
    return run.output["rows"]
