"""Rows of the registry's tables to the values they stand for, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import cast
from uuid import UUID

from sqlalchemy import RowMapping

from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind, RegisteredAgent
from a2a_node.model.nodes import Node, NodeStatus

CAPABILITY_FIELDS = frozenset(field.name for field in fields(AgentCapability))
PLAIN = ("name", "version", "description", "category", "max_revisits", "needs_call_token")


def agent_row(agent: AgentDescriptor) -> dict[str, object]:
    """What the table keeps of a descriptor."""
    return {name: getattr(agent, name) for name in PLAIN} | {
        "tags": list(agent.tags),
        "config": dict(agent.config),
        "capabilities": [asdict(capability) for capability in agent.capabilities],
    }


def agent_from(row: RowMapping) -> RegisteredAgent:
    """The agent of a row."""
    descriptor = AgentDescriptor(
        **{name: row[name] for name in PLAIN},
        tags=tuple(row["tags"]),
        capabilities=tuple(_capability(stored) for stored in row["capabilities"]),
        config=row["config"],
    )
    return RegisteredAgent(
        descriptor,
        id=str(row["id"]),
        **{name: row[name] for name in ("owner", "enabled", "deployed_at", "created_at", "updated_at", "revision")},
    )


def _capability(stored: Mapping[str, object]) -> AgentCapability:
    # a node of a later version may have kept fields that this one does not know
    known = {name: value for name, value in stored.items() if name in CAPABILITY_FIELDS}
    calls = cast("Sequence[str]", known.pop("calls", ()))  # not there in rows of versions that did not know of it
    return AgentCapability(**known, calls=tuple(calls))  # type: ignore[arg-type]


def instance_row(instance: Instance, lease: float) -> dict[str, object]:
    """What the table keeps of an instance, but for its times."""
    return {
        "id": UUID(instance.id),
        "agent": instance.agent,
        "node": instance.node,
        "kind": instance.kind.value,
        "address": instance.address,
        "version": instance.version,
        "lease_seconds": lease,
    }


def instance_from(row: RowMapping) -> Instance:
    """The instance of a row."""
    names = ("agent", "node", "address", "version", "lease_until", "created_at")
    return Instance(id=str(row["id"]), kind=InstanceKind(row["kind"]), **{name: row[name] for name in names})


def node_row(node: Node) -> dict[str, object]:
    """What the table keeps of a node, but for its times."""
    names = ("id", "address", "peer_address", "region", "zone", "version")
    return {name: getattr(node, name) for name in names} | {"labels": dict(node.labels), "status": node.status.value}


def node_from(row: RowMapping) -> Node:
    """The node of a row."""
    names = ("id", "address", "peer_address", "region", "zone", "labels", "version")
    times = ("started_at", "lease_until", "revision")
    return Node(status=NodeStatus(row["status"]), **{name: row[name] for name in names + times})
