"""Agents, instances and nodes to messages and back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from a2a_node.model.agents import AgentCapability, AgentDescriptor, Instance, InstanceKind, RegisteredAgent
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.wire.payloads import from_mapping, to_mapping
from a2amesh.v1 import agent_pb2 as pb
from a2amesh.v1 import registry_service_pb2 as registry_pb

EPOCH, DAY = datetime(1970, 1, 1, tzinfo=UTC), 86_400

_KINDS = {kind: pb.InstanceKind.Value(f"INSTANCE_KIND_{kind.name}") for kind in InstanceKind}
_STATUSES = {status: registry_pb.NodeStatus.Value(f"NODE_STATUS_{status.name}") for status in NodeStatus}


def to_descriptor(message: pb.AgentDescriptor) -> AgentDescriptor:
    """The checked descriptor of a message; InvalidInput names the first field that is wrong."""
    return AgentDescriptor(
        name=message.name,
        version=message.version or "0.0.0",
        description=message.description,
        category=message.category or "general",
        tags=tuple(message.tags),
        capabilities=tuple(_to_capability(capability) for capability in message.capabilities),
        config=to_mapping(message.config),
        max_revisits=message.max_revisits,
        needs_call_token=message.needs_call_token,
    ).checked()


def from_descriptor(descriptor: AgentDescriptor) -> pb.AgentDescriptor:
    """The message of what an agent says of itself."""
    return pb.AgentDescriptor(
        name=descriptor.name,
        version=descriptor.version,
        description=descriptor.description,
        category=descriptor.category,
        tags=descriptor.tags,
        capabilities=[_from_capability(capability) for capability in descriptor.capabilities],
        config=from_mapping(descriptor.config),
        max_revisits=descriptor.max_revisits,
        needs_call_token=descriptor.needs_call_token,
    )


def from_registered(agent: RegisteredAgent, instances: Sequence[Instance]) -> pb.AgentDescriptor:
    """The message of all that the registry knows of an agent."""
    message = from_descriptor(agent.descriptor)
    message.id, message.owner, message.enabled, message.revision = agent.id, agent.owner, agent.enabled, agent.revision
    message.instances.extend(from_instance(instance) for instance in instances)
    message.deploy_time.FromDatetime(agent.deployed_at)
    message.create_time.FromDatetime(agent.created_at)
    message.update_time.FromDatetime(agent.updated_at)
    return message


def from_instance(instance: Instance) -> pb.Instance:
    """The message of an instance."""
    return pb.Instance(
        instance_id=instance.id,
        agent=instance.agent,
        node_id=instance.node,
        kind=_KINDS[instance.kind],
        address=instance.address,
        version=instance.version,
        lease_expire_time=timestamp(instance.lease_until),
        create_time=timestamp(instance.created_at),
    )


def from_node(node: Node, instance_count: int) -> registry_pb.Node:
    """The message of a node and of how many instances are reached through it."""
    return registry_pb.Node(
        node_id=node.id,
        address=node.address,
        peer_address=node.peer_address,
        region=node.region,
        zone=node.zone,
        labels=dict(node.labels),
        version=node.version,
        status=_STATUSES[node.status],
        start_time=timestamp(node.started_at),
        lease_expire_time=timestamp(node.lease_until),
        instance_count=instance_count,
    )


def to_node_status(value: int) -> NodeStatus | None:
    """The status of an enum value; None when it says nothing."""
    return next((status for status, number in _STATUSES.items() if number == value), None)


def timestamp(moment: datetime | None) -> Timestamp | None:
    """The message of a moment; absent stays absent."""
    if moment is None:
        return None
    since = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - EPOCH  # a quarter of what FromDatetime takes
    return Timestamp(seconds=since.days * DAY + since.seconds, nanos=since.microseconds * 1000)


def duration(seconds: float) -> Duration:
    """The message of a span in seconds."""
    message = Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message


def seconds(message: Duration) -> float:
    """The seconds of a span."""
    return (message.seconds * 10**9 + message.nanos) / 1e9  # in one step: two would round twice


def _to_capability(message: pb.AgentCapability) -> AgentCapability:
    return AgentCapability(
        name=message.name,
        description=message.description,
        input_schema=to_mapping(message.input_schema),
        output_schema=to_mapping(message.output_schema),
        streams_output=message.streams_output,
        streams_input=message.streams_input,
        cache_ttl=seconds(message.cache_ttl),
        limit=message.limit,
        idempotent=message.idempotent,
        cost=message.cost or 1,
        hedging_delay=seconds(message.hedging_delay),
        calls=tuple(message.calls),
    )


def _from_capability(capability: AgentCapability) -> pb.AgentCapability:
    return pb.AgentCapability(
        name=capability.name,
        description=capability.description,
        input_schema=from_mapping(capability.input_schema) if capability.input_schema else None,
        output_schema=from_mapping(capability.output_schema) if capability.output_schema else None,
        streams_output=capability.streams_output,
        streams_input=capability.streams_input,
        cache_ttl=duration(capability.cache_ttl) if capability.cache_ttl else None,
        limit=capability.limit,
        idempotent=capability.idempotent,
        cost=capability.cost if capability.cost != 1 else 0,
        hedging_delay=duration(capability.hedging_delay) if capability.hedging_delay else None,
        calls=capability.calls,
    )
