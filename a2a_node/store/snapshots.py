"""Reading the registry: everything as of one revision, or what changed since another.

Both are read in a transaction that sees one state, so that revision and rows belong together.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

from sqlalchemy import Column, RowMapping, Table, select

from a2a_node.model.registry_ports import Changes, Snapshot
from a2a_node.store.postgres import Transaction
from a2a_node.store.rows import agent_from, instance_from, node_from
from a2a_node.store.tables import agents, instances, nodes, registry_changes, registry_revision

PAGE = 250  # rows: turned into values in some 20 ms, which the loop can be held up
MOST = 1000  # changed names; beyond these a snapshot costs less


async def revision_now(transaction: Transaction) -> int:
    """The registry's revision."""
    return int((await transaction.fetch(select(registry_revision.c.revision)))[0]["revision"])


async def snapshot(transaction: Transaction) -> Snapshot:
    """Everything, as of one revision."""
    return Snapshot(
        await revision_now(transaction),
        [agent_from(row) async for row in _all(transaction, agents, agents.c.name)],
        [instance_from(row) async for row in _all(transaction, instances, instances.c.id)],
        [node_from(row) async for row in _all(transaction, nodes, nodes.c.id)],
    )


async def changes(transaction: Transaction, after: int, kept: int) -> Changes | None:
    """What changed after a revision; None when a snapshot is needed instead."""
    revision = await revision_now(transaction)
    if not revision - kept <= after <= revision:  # after > revision: the database is another than before
        return None
    since = select(registry_changes).where(registry_changes.c.revision > after).limit(MOST + 1)
    rows = await transaction.fetch(since)
    if len(rows) > MOST:
        return None
    named = {kind: {row["key"] for row in rows if row["kind"] == kind} for kind in ("agent", "node")}
    return await _known(transaction, revision, named["agent"], named["node"])


async def _known(transaction: Transaction, revision: int, agent_names: set[str], node_ids: set[str]) -> Changes:
    of_agents = await _named(transaction, agents, agents.c.name, agent_names)
    of_instances = await _named(transaction, instances, instances.c.agent, agent_names)
    of_nodes = await _named(transaction, nodes, nodes.c.id, node_ids)
    return Changes(
        revision,
        [agent_from(row) for row in of_agents],
        [instance_from(row) for row in of_instances],
        [node_from(row) for row in of_nodes],
        sorted(agent_names - {row["name"] for row in of_agents}),
        sorted(node_ids - {row["id"] for row in of_nodes}),
    )


async def _named(transaction: Transaction, table: Table, column: Column[str], names: set[str]) -> list[RowMapping]:
    if not names:
        return []
    return [*await transaction.fetch(select(table).where(column.in_(names)).order_by(column))]


async def _all(transaction: Transaction, table: Table, key: Column[object]) -> AsyncIterator[RowMapping]:
    page = select(table).order_by(key).limit(PAGE)
    rows = await transaction.fetch(page)
    while rows:
        for row in rows:
            yield row
        rows = await transaction.fetch(page.where(key > rows[-1][key])) if len(rows) == PAGE else ()
