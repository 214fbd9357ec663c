"""What only the registry in Postgres can go through: other nodes, lost connections, long histories, large meshes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import text

from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind
from a2a_node.model.errors import StoreUnavailable
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.store.changelog import PRUNE_EVERY, ChangeLog
from a2a_node.store.postgres import Postgres, connected
from a2a_node.store.registry import PostgresRegistry
from a2a_node.store.revisions import listening
from a2a_node.store.snapshots import MOST, PAGE
from a2a_node.store.statements import CHANNEL, SWEEP_DUE
from tests.integration.store.lines import lined

LONG = 30.0  # seconds that no test takes
NODE = Node("n1", "127.0.0.1:1")
SAY = AgentCapability("say")
MANY = text("""
WITH made AS (
  INSERT INTO agents (name, version, description, category, tags, owner, config, capabilities, max_revisits)
  SELECT 'a' || number, '1', '', 'general', '{}', 'ann', '{}', '[{"name": "say"}]', 0
  FROM generate_series(1, :count) AS number RETURNING name
), copies AS (
  INSERT INTO instances (id, agent, node, kind, address, version, lease_seconds)
  SELECT gen_random_uuid(), name, 'n1', 'hosted', '', '1', 0 FROM made
)
INSERT INTO registry_changes (kind, key, revision) SELECT 'agent', name, 1 FROM made
""")
WAITING = text("""
SELECT EXISTS (
  SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
  WHERE locktype = 'advisory' AND NOT granted AND datname = current_database()
) AS waiting
""")
CHANGED = text("SELECT count(*) AS names, min(revision) AS oldest FROM registry_changes")
HANG_UP = text("""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' AND datname = current_database()
""")


@pytest.fixture
async def url(postgres_url: str) -> str:
    """A database with the schema."""
    return postgres_url


@pytest.fixture
async def postgres(url: str) -> AsyncIterator[Postgres]:
    """A pool on it."""
    async with connected(url, patience=LONG) as opened:
        yield opened


def copy_of(name: str) -> Instance:
    """A new instance."""
    return Instance(str(uuid4()), name, NODE.id, InstanceKind.HOSTED)


async def test_nodes_that_register_at_once_share_one_order(url: str) -> None:
    """Every registration of two nodes gets a revision of its own, without gaps."""
    async with connected(url, patience=LONG) as first, connected(url, patience=LONG) as second:
        registries = [PostgresRegistry(postgres) for postgres in (first, second)]
        await registries[0].join(NODE, 15)
        registered = await asyncio.gather(
            *(
                registries[number % 2].register(AgentDescriptor(f"a{number}", capabilities=(SAY,)), "ann", copy)
                for number, copy in enumerate(map(copy_of, map(str, range(40))))
            )
        )
        assert sorted(revision for _, revision in registered) == [*range(2, 42)]


async def test_a_look_for_leases_that_are_over_goes_by_their_index(postgres: Postgres) -> None:
    """It does not read every instance there is."""
    async with postgres.reading() as transaction:
        await transaction.fetch(text("SET LOCAL enable_seqscan = off"))
        question = SWEEP_DUE.compile(postgres.engine.sync_engine, compile_kwargs={"literal_binds": True})
        plan = await transaction.fetch(text(f"EXPLAIN {question}"))
    assert any("ix_instances_lease_until" in row["QUERY PLAN"] for row in plan)


async def test_a_listener_whose_connection_ends_is_told(postgres: Postgres) -> None:
    """The iterator raises when the server hangs up on it, at once: its own trial of the connection is far away."""
    async with asyncio.timeout(LONG), listening(postgres.dial, quiet=2 * LONG) as revisions:
        await postgres.fetch(HANG_UP)
        with pytest.raises(StoreUnavailable):
            await anext(revisions)


async def test_a_listener_does_not_believe_in_silence(url: str) -> None:
    """A connection whose other end vanished is tried, and found dead."""
    async with (
        asyncio.timeout(LONG),
        lined(url) as (through, line),
        connected(through, patience=2.0) as postgres,
        listening(postgres.dial, quiet=0.1) as revisions,
    ):
        line.hold()
        with pytest.raises(StoreUnavailable):
            await anext(revisions)


async def test_silence_on_a_living_connection_is_no_failure(postgres: Postgres) -> None:
    """The connection is tried several times, and news are heard after all."""
    async with asyncio.timeout(LONG), listening(postgres.dial, quiet=0.01) as revisions, asyncio.TaskGroup() as tasks:
        heard = tasks.create_task(anext(revisions))
        await postgres.fetch(text("SELECT pg_sleep(0.3)"))
        assert not heard.done()
        entered = await PostgresRegistry(postgres).join(NODE, 15)
        assert entered is not None
        assert entered.revision == await heard


async def test_renewals_notify_nobody(url: str, postgres: Postgres) -> None:
    """Of leases renewed and a node that joins, the one notification is of the node."""
    registry, heard = PostgresRegistry(postgres), asyncio.Queue[str](maxsize=10)
    await registry.join(NODE, 15)
    endpoint = Instance(str(uuid4()), "echo", "n1", InstanceKind.ENDPOINT)
    await registry.register(AgentDescriptor("echo", capabilities=(SAY,)), "ann", endpoint, 15)
    listener = await asyncpg.connect(url)
    await listener.add_listener(CHANNEL, lambda *notification: heard.put_nowait(str(notification[-1])))
    for _ in range(3):
        await registry.renew_node("n1", 15)
        await registry.renew(endpoint.id)
    revision = await registry.set_status("n1", NodeStatus.DRAINING)
    async with asyncio.timeout(LONG):
        assert await heard.get() == str(revision)
    await listener.close()


async def test_a_writer_waits_while_another_node_changes_the_registry(postgres: Postgres) -> None:
    """Even before the other has touched anything, and until it has committed."""
    registry, elsewhere = PostgresRegistry(postgres), ChangeLog(postgres)
    await registry.join(NODE, 15)
    async with asyncio.timeout(LONG), asyncio.TaskGroup() as tasks:
        async with elsewhere.change() as change:
            later = tasks.create_task(registry.set_status("n1", NodeStatus.DRAINING))
            while not (await postgres.fetch(WAITING))[0]["waiting"]:
                assert not later.done()
            earlier = await elsewhere.note(change, nodes=["n1"])
        assert await later == earlier + 1


async def test_the_history_is_bounded(postgres: Postgres) -> None:
    """Names that changed long ago are dropped from it now and then."""
    registry = PostgresRegistry(postgres, kept=10)
    await registry.join(Node("old", "127.0.0.1:2"), 15)
    for _ in range(PRUNE_EVERY):
        await registry.join(NODE, 15)
    [history] = await postgres.fetch(CHANGED)
    assert (history["names"], history["oldest"]) == (1, PRUNE_EVERY + 1)


async def test_a_large_mesh_is_read_whole(postgres: Postgres) -> None:
    """A snapshot of several pages misses nothing and doubles nothing."""
    registry, count = PostgresRegistry(postgres), 2 * PAGE + 1
    await registry.join(NODE, 15)
    await postgres.fetch(MANY, {"count": count})
    snapshot = await registry.snapshot()
    assert len({agent.name for agent in snapshot.agents}) == len(snapshot.agents) == count
    assert len({copy.id for copy in snapshot.instances}) == len(snapshot.instances) == count


async def test_more_changes_than_a_snapshot_costs_ask_for_one(postgres: Postgres) -> None:
    """As after a node with a thousand agents left."""
    registry = PostgresRegistry(postgres)
    await registry.join(NODE, 15)
    await postgres.fetch(MANY, {"count": MOST})
    assert await registry.changes(1) is not None
    assert await registry.changes(0) is None


async def test_what_a_later_version_keeps_of_a_capability_is_passed_over(postgres: Postgres) -> None:
    """Nodes of two versions share a registry while they are upgraded one by one."""
    registry = PostgresRegistry(postgres)
    await registry.join(NODE, 15)
    await registry.register(AgentDescriptor("echo", capabilities=(SAY,)), "ann", copy_of("echo"))
    await postgres.fetch(text("""UPDATE agents SET capabilities = '[{"name": "say", "colour": "blue"}]'"""))
    [agent] = (await registry.snapshot()).agents
    assert agent.descriptor.capabilities == (SAY,)
