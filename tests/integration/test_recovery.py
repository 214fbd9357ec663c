"""The templates data-backup-recovery and data-recovery with their real agents, on a real database."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from a2a_node.agent import Agent
from a2a_node.model.runs import Decision, RunStatus
from a2a_node.ops import database, notifier, vault
from tests.unit.ops.decided import decided
from tests.unit.ops.places import Lets, workplace
from tests.unit.ops.walked import run

pytestmark = pytest.mark.without_schema

SHOP = "CREATE TABLE goods AS SELECT i AS id, 'good ' || i AS name FROM generate_series(1, 1000) i"


def agents(folder: Path, url: str) -> Mapping[str, Agent]:
    """All that the templates call."""
    place = workplace(folder)
    return {
        "database": database.made(place, {"shop": url}, Lets()),
        "vault": vault.made(place, {"disk": (folder / "disk").as_uri()}),
        "notifier": notifier.made(place, {}),
    }


async def told(url: str, *statements: str) -> object:
    """What a database says to the last of some statements."""
    connection = await asyncpg.connect(url, ssl=False)
    answers = [await connection.fetchval(statement) for statement in statements]
    await connection.close()
    return answers[-1]


async def test_what_was_backed_up_comes_back(tmp_path: Path, postgres_url: str) -> None:
    """After somebody has agreed, and not where nobody does; old backups go."""
    await told(postgres_url, SHOP)
    place = {"database": "shop", "store": "disk", "prefix": "shop"}
    for _ in range(2):
        kept = await run("data-backup-recovery", agents(tmp_path, postgres_url), {**place, "keep_last": 1})
        assert kept.run.status is RunStatus.COMPLETED, kept.run.error
        await told(postgres_url, "UPDATE goods SET name = 'better' WHERE id = 1")
    assert kept.run.output is not None
    assert kept.run.output["rows"] == 1000
    assert [each.name for each in (tmp_path / "disk/shop").iterdir()] == [kept.run.output["backup"]]
    await told(postgres_url, "DELETE FROM goods WHERE id > 3")

    refused = await decided("data-recovery", agents(tmp_path, postgres_url), place, Decision.REJECT)
    assert refused.run.status is RunStatus.FAILED
    assert await told(postgres_url, "SELECT count(*) FROM goods") == 3
    back = await decided("data-recovery", agents(tmp_path, postgres_url), place, Decision.APPROVE)
    assert back.run.status is RunStatus.COMPLETED, back.run.error
    assert back.run.output is not None
    assert back.run.output["digest"] == kept.run.output["digest"]
    assert await told(postgres_url, "SELECT count(*) FROM goods") == 1000
    previous = str(back.run.output["previous"])
    other = urlsplit(postgres_url)._replace(path=f"/{previous}").geturl()
    assert await told(other, "SELECT count(*) FROM goods") == 3
    await told(postgres_url, f"DROP DATABASE {previous}")
