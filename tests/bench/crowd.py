"""The nodes and agents of a large mesh, entered in bulk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from uuid import uuid4

from sqlalchemy import Table, insert
from sqlalchemy.ext.asyncio.engine import AsyncConnection

from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind
from a2a_node.model.nodes import Node
from a2a_node.store import tables
from a2a_node.store.postgres import connected
from a2a_node.store.rows import agent_row, instance_row, node_row
from a2a_node.store.statements import from_now

NODES, AGENTS = 1_000, 10_000
OWNER = "person:crowd"
SCHEMA = {"type": "object", "properties": {"text": {"type": "string"}, "n": {"type": "integer"}}, "required": ["text"]}
AT_ONCE = 1_000  # rows


def node_id(number: int) -> str:
    """A node's id."""
    return f"node-{number:04}"


def agent(name: str) -> AgentDescriptor:
    """An agent as they come: two capabilities with schemas, two tags."""
    say = AgentCapability("say", "Says what it is told.", input_schema=SCHEMA, output_schema=SCHEMA, idempotent=True)
    count = AgentCapability("count", "Counts up to n.", input_schema=SCHEMA, streams_output=True)
    tags = ("crowd", f"t{name[-1]}")
    return AgentDescriptor(name, "1.0.0", f"The agent {name}.", tags=tags, capabilities=(say, count))


async def entered(url: str) -> None:
    """Enter them all: ten agents at each node, whose leases hold for a while."""
    names = [f"agent-{number:05}" for number in range(AGENTS)]
    nodes = [
        node_row(Node(node_id(number), f"10.0.0.1:{number}", zone=f"z{number % 3}")) | {"lease_until": from_now(3600)}
        for number in range(NODES)
    ]
    agents = [agent_row(agent(name)) | {"owner": OWNER} for name in names]
    copies = [
        instance_row(Instance(str(uuid4()), name, node_id(number % NODES), InstanceKind.ATTACHED), 0.0)
        for number, name in enumerate(names)
    ]
    async with connected(url, patience=30.0) as postgres, postgres.engine.begin() as connection:
        await filled(connection, {tables.nodes: nodes, tables.agents: agents, tables.instances: copies})


async def filled(connection: AsyncConnection, rows: Mapping[Table, list[dict[str, object]]]) -> None:
    """Insert rows, many at a time."""
    for table, wanted in rows.items():
        for part in parts(wanted):
            await connection.execute(insert(table).values(part))


def parts(rows: list[dict[str, object]]) -> Iterable[list[dict[str, object]]]:
    """The rows in portions that one statement takes."""
    return (rows[begin : begin + AT_ONCE] for begin in range(0, len(rows), AT_ONCE))
