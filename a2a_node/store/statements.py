"""What the registry says to Postgres. Every statement answers with the rows that it changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, Executable, Interval, and_, case, delete, func, or_, select, true, update
from sqlalchemy.dialects.postgresql import insert

from a2a_node.model.agents import InstanceKind
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.model.registry_ports import NODE_MEMORY
from a2a_node.store.rows import node_row
from a2a_node.store.tables import agents, instances, nodes

CHANNEL = "a2a_registry"


def from_now(seconds: float | ColumnElement[float]) -> ColumnElement[datetime]:
    """The store's own time, so many seconds ahead."""
    time: ColumnElement[datetime] = func.clock_timestamp() + func.make_interval(
        0, 0, 0, 0, 0, 0, seconds, type_=Interval
    )
    return time


# asked once for all rows: a time that could differ from row to row finds nothing in an index
LAPSED = instances.c.lease_until <= select(func.clock_timestamp()).scalar_subquery()
SILENT = and_(
    nodes.c.status == NodeStatus.ALIVE.value, nodes.c.lease_until <= select(func.clock_timestamp()).scalar_subquery()
)
FORGOTTEN = nodes.c.lease_until <= select(from_now(-NODE_MEMORY)).scalar_subquery()

SWEEP_DUE = select(1).where(
    or_(select(1).where(LAPSED).exists(), select(1).where(SILENT).exists(), select(1).where(FORGOTTEN).exists())
)
SUSPECT = update(nodes).where(SILENT).values(status=NodeStatus.SUSPECT.value).returning(nodes.c.id)


def enter_node(node: Node, lease: float) -> Executable:
    """Insert the node, or put it in place of what was there; no row for a process whose place another has taken."""
    row = node_row(node) | {
        "started_at": node.started_at or func.clock_timestamp(),
        "lease_until": from_now(lease),
    }
    new = insert(nodes).values(row)
    same = nodes.c.started_at == new.excluded.started_at if node.started_at else None
    return new.on_conflict_do_update(index_elements=[nodes.c.id], set_=row, where=same).returning(nodes)


def remove_held(node_id: str) -> Executable:
    """Remove the instances that only the node's process kept alive."""
    held = and_(instances.c.node == node_id, instances.c.kind != InstanceKind.ENDPOINT.value)
    return delete(instances).where(held).returning(instances.c.agent)


def process(node_id: str, started_at: datetime | None) -> ColumnElement[bool]:
    """A node, as long as it is the process of that start, if one is named."""
    return and_(nodes.c.id == node_id, true() if started_at is None else nodes.c.started_at == started_at)


def renew_node(node_id: str, lease: float, started_at: datetime | None) -> Executable:
    """Keep the lease of a node that nobody misses."""
    present = nodes.c.status.in_([NodeStatus.ALIVE.value, NodeStatus.DRAINING.value])
    kept = update(nodes).where(process(node_id, started_at), present)
    return kept.values(lease_until=from_now(lease)).returning(nodes.c.id)


def wake_node(node_id: str, lease: float, started_at: datetime | None) -> Executable:
    """Keep the lease of a node that was missed: it is alive after all."""
    missed = and_(process(node_id, started_at), nodes.c.status == NodeStatus.SUSPECT.value)
    back = {"status": NodeStatus.ALIVE.value, "lease_until": from_now(lease)}
    return update(nodes).where(missed).values(back).returning(nodes.c.id)


def renew_instance(instance_id: UUID) -> Executable:
    """Keep an instance's own lease, if it has one; no row when that has ended."""
    holds = or_(instances.c.lease_until.is_(None), instances.c.lease_until > func.clock_timestamp())
    again = case((instances.c.lease_seconds > 0, from_now(instances.c.lease_seconds)))
    renewal = update(instances).where(instances.c.id == instance_id, holds)
    return renewal.values(lease_until=again).returning(instances)


def move_instance(instance_id: UUID, node_id: str) -> Executable:
    """Reach an endpoint through another node."""
    there = and_(instances.c.id == instance_id, instances.c.kind == InstanceKind.ENDPOINT.value)
    return update(instances).where(there).values(node=node_id).returning(instances)


def update_agent(name: str, changes: Mapping[str, object]) -> Executable:
    """Change some columns of an agent."""
    row = {field: [*value] if isinstance(value, tuple) else value for field, value in changes.items()}
    return (
        update(agents)
        .where(agents.c.name == name)
        .values(**row, updated_at=func.clock_timestamp())
        .returning(agents.c.id)
    )


def remove_lapsed(node_ids: Sequence[str]) -> Executable:
    """Remove the instances whose own lease is over, and all of some nodes."""
    over = or_(LAPSED, instances.c.node.in_(node_ids))
    return delete(instances).where(over).returning(instances.c.agent)


def give_up(node_id: str) -> Executable:
    """Mark a node gone that missed its lease, unless it came back; one that was alive has to be suspect first."""
    silent = nodes.c.status.in_([NodeStatus.SUSPECT.value, NodeStatus.DRAINING.value])
    over = and_(nodes.c.id == node_id, silent, nodes.c.lease_until <= func.clock_timestamp())
    return update(nodes).where(over).values(status=NodeStatus.GONE.value).returning(nodes.c.id)


def forget(node_ids: Sequence[str]) -> Executable:
    """Remove some nodes, unless they came back."""
    return delete(nodes).where(nodes.c.id.in_(node_ids), FORGOTTEN).returning(nodes.c.id)
