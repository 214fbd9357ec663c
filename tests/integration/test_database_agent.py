"""Dumping and restoring a real database, and what must not come of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest
from structlog.testing import capture_logs

from a2a_node.agent import Agent, AgentRefused
from a2a_node.model.errors import InvalidInput, PermissionDenied
from a2a_node.ops import database
from a2a_node.ops.database import restoring
from a2a_node.ops.database.access import Databases, service
from a2a_node.ops.workplace import Workplace
from tests.unit.ops.places import Lets, done, workplace

pytestmark = pytest.mark.without_schema

SHOP = """
    CREATE SCHEMA "Odd ""names";
    CREATE TABLE goods (id bigserial PRIMARY KEY, name text, price numeric(10, 2), made timestamptz, raw bytea);
    INSERT INTO goods (name, price, made, raw)
      SELECT 'good ' || i, i / 7.0, 'epoch'::timestamptz + i * interval '1 hour', int4send(i)
      FROM generate_series(1, 500) i;
    CREATE TABLE "Odd ""names"."a table" (id int, note text);
    INSERT INTO "Odd ""names"."a table" VALUES (1, E'tab\\tand\\nline'), (2, NULL);
    CREATE TABLE parts (id int, at int) PARTITION BY RANGE (at);
    CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (10);
    INSERT INTO parts VALUES (1, 1), (2, 2);
    CREATE MATERIALIZED VIEW totals AS SELECT count(*) AS goods FROM goods;
"""


@pytest.fixture
def place(tmp_path: Path) -> Workplace:
    """A workspace."""
    return workplace(tmp_path)


@pytest.fixture
async def shop(postgres_url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database with goods."""
    connection = await asyncpg.connect(postgres_url, ssl=False)
    await connection.execute(SHOP)
    yield connection
    connection.terminate()


@pytest.fixture
def agent(place: Workplace, postgres_url: str) -> Agent:
    """The agent, which knows the database as `shop`."""
    return database.made(place, {"shop": postgres_url, "mesh": postgres_url}, Lets())


async def databases_of(url: str) -> set[str]:
    """The databases of the server."""
    connection = await asyncpg.connect(url, ssl=False)
    found = {row["datname"] for row in await connection.fetch("SELECT datname FROM pg_database")}
    await connection.close()
    return found


async def test_a_dump_is_proven_and_restored(
    agent: Agent, shop: asyncpg.Connection, postgres_url: str, place: Workplace
) -> None:
    """What was dumped is what comes back, table by table; what was there before is kept, and can come back, too."""
    assert shop
    dumped = await done(agent, "dump", database="shop")
    assert (dumped["tables"], dumped["rows"]) == (3, 504)
    assert (place.root / str(dumped["path"])).stat().st_size == dumped["bytes"]
    files = {"path": dumped["path"], "manifest": dumped["manifest"]}
    before = await databases_of(postgres_url)
    rehearsed = await done(agent, "rehearse", database="shop", **files)
    assert rehearsed == {name: dumped[name] for name in ("tables", "rows", "digest")}
    assert await databases_of(postgres_url) == before
    await shop.execute("DELETE FROM goods WHERE id > 100")
    with pytest.raises(AgentRefused, match=r'"public"."goods" has 100 rows instead of 500') as differs:
        await done(agent, "compare", database="shop", manifest=dumped["manifest"])
    assert differs.value.reason == "CONTENT_DIFFERS"
    restored = await done(agent, "restore", database="shop", **files)
    assert restored["digest"] == dumped["digest"]
    await done(agent, "compare", database="shop", manifest=dumped["manifest"])
    again = await done(agent, "restore", database="shop", **files)  # as a step is whose node died
    assert again["previous"] == restored["previous"]
    assert (await done(agent, "revert", database="shop", previous=restored["previous"])) == {"changed": True}
    with pytest.raises(AgentRefused, match="100 rows"):
        await done(agent, "compare", database="shop", manifest=dumped["manifest"])
    assert (await done(agent, "revert", database="shop", previous=restored["previous"])) == {"changed": False}
    for name in await databases_of(postgres_url) - before:
        connection = await asyncpg.connect(postgres_url, ssl=False)
        await connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await connection.close()


async def test_a_dump_is_of_one_moment(agent: Agent, shop: asyncpg.Connection, postgres_url: str) -> None:
    """What is written meanwhile is neither in the dump nor in its manifest."""
    assert shop
    stop = asyncio.Event()

    async def write() -> None:
        connection = await asyncpg.connect(postgres_url, ssl=False)
        while not stop.is_set():
            await connection.execute("INSERT INTO goods (name) VALUES ('more')")
        await connection.close()

    writing = asyncio.create_task(write())
    dumped = await done(agent, "dump", database="shop")
    stop.set()
    await writing
    await done(agent, "rehearse", database="shop", path=dumped["path"], manifest=dumped["manifest"])


async def test_one_changed_value_is_found(agent: Agent, shop: asyncpg.Connection) -> None:
    """Though there are as many rows; and a table that is missing or new."""
    dumped = await done(agent, "dump", database="shop")
    await shop.execute("UPDATE goods SET price = price + 1 WHERE id = 7; DROP TABLE parts; CREATE TABLE more (id int)")
    with pytest.raises(AgentRefused) as differs:
        await done(agent, "compare", database="shop", manifest=dumped["manifest"])
    assert differs.value.message == (
        'it is not what was dumped: "public"."goods" has other rows; "public"."more" is new; '
        '"public"."parts_1" is missing'
    )


async def test_a_damaged_dump_is_found(
    agent: Agent, shop: asyncpg.Connection, place: Workplace, postgres_url: str
) -> None:
    """By its digest; one that cannot be restored leaves no scratch database, and no change."""
    assert shop
    dumped = await done(agent, "dump", database="shop")
    files = {"path": dumped["path"], "manifest": dumped["manifest"]}
    (place.root / str(dumped["path"])).write_bytes(b"PGDMP nonsense")
    with pytest.raises(AgentRefused, match="digests differ"):
        await done(agent, "restore", database="shop", **files)
    before = await databases_of(postgres_url)
    with pytest.raises(AgentRefused, match="pg_restore failed"):
        async with restoring.scratch(Databases({"shop": postgres_url}), "shop") as fresh:
            await restoring.fill(
                Databases({"shop": postgres_url}), place, ("shop", fresh), place.root / str(dumped["path"])
            )
    assert await databases_of(postgres_url) == before


async def test_bad_input_is_refused(agent: Agent, place: Workplace) -> None:
    """Names that the settings do not have, the mesh's own database, files that are elsewhere or something else."""
    await place.write("f", "x.json", b"{}")
    for capability, said, why in (
        ("dump", {"database": "postgresql://127.0.0.1/x"}, r"input\.database: .*it has: shop, mesh"),
        ("restore", {"database": "mesh", "path": "x", "manifest": "x"}, "stop them"),
        ("rehearse", {"database": "shop", "path": "../x", "manifest": "x.json"}, r"input\.path"),
        ("rehearse", {"database": "shop", "path": "none", "manifest": "x.json"}, "share a workspace"),
        ("compare", {"database": "shop", "manifest": "x.json"}, "no manifest"),
        ("revert", {"database": "shop", "previous": "postgres"}, "not what was there before"),
    ):
        with pytest.raises(InvalidInput, match=why):
            await done(agent, capability, **said)


async def test_no_secret_is_told(place: Workplace, postgres_url: str, tmp_path: Path) -> None:
    """Neither when a database is away, nor when a password is wrong; programs find it in a file of their own."""
    wrong = urlsplit(postgres_url)
    wrong = wrong._replace(netloc=f"a2a:hush-hush@{wrong.hostname}:{wrong.port}")
    with capture_logs() as logs:
        for url in (wrong.geturl(), "postgresql://a2a:hush-hush@127.0.0.1:1/x"):
            agent = database.made(place, {"shop": url}, Lets())
            with pytest.raises(AgentRefused) as refused:
                await done(agent, "dump", database="shop")
            assert refused.value.reason == "DATABASE_AWAY"
            assert "hush" not in str(refused.value)
        argv = ["pg_restore", "--dbname=x", "/dev/null"]
        with pytest.raises(AgentRefused, match="pg_restore failed") as failed:
            await Databases({"shop": wrong.geturl()}).ran(place, argv, ("shop", ""), 10)
        assert "hush" not in str(failed.value)
    assert "hush" not in str(logs)
    assert "hush" not in str(held(tmp_path))


def held(folder: Path) -> list[bytes]:
    """What all files beneath a folder hold."""
    return [file.read_bytes() for file in folder.rglob("*") if file.is_file()]


async def test_the_mesh_is_read_for_those_who_may(place: Workplace, postgres_url: str) -> None:
    """Its database holds grants and keys."""
    for refused in (False, True):
        agent = database.made(place, {"mesh": postgres_url}, Lets(refused=refused))
        if not refused:
            dumped = await done(agent, "dump", database="mesh")
            continue
        for capability, said in (
            ("dump", {}),
            ("compare", {"manifest": dumped["manifest"]}),
            ("rehearse", {"path": dumped["path"], "manifest": dumped["manifest"]}),
        ):
            with pytest.raises(PermissionDenied):
                await done(agent, capability, database="mesh", **said)


def test_a_url_is_written_as_a_service() -> None:
    """Its parts as libpq has them, without what would be more lines."""
    assert service("postgresql://ada:p%40ss@db.example:6432/shop%20one?sslmode=require&options=a%0Ab") == (
        "[it]\nhost=db.example\nport=6432\nuser=ada\npassword=p@ss\ndbname=shop one\nsslmode=require\n"
    )
