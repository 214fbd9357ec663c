"""What the registry and the call table answer, as words of the model."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from a2a_node.model.agents import Instance, InstanceKind, RegisteredAgent
from a2a_node.model.call import CallRecord, CallStatus
from a2a_node.model.nodes import Node, NodeStatus
from a2a_node.wire.agents import to_descriptor, to_node_status
from a2a_node.wire.errors import from_call_error
from a2a_node.wire.payloads import to_payload
from a2amesh.v1 import agent_pb2, agent_service_pb2, registry_service_pb2

_KINDS = {agent_pb2.InstanceKind.Value(f"INSTANCE_KIND_{kind.name}"): kind for kind in InstanceKind}
_STATUSES = {agent_service_pb2.CallStatus.Value(f"CALL_STATUS_{status.name}"): status for status in CallStatus}


def moment(message: Timestamp) -> datetime:
    """The moment of a message, in UTC."""
    return message.ToDatetime(UTC)


def to_record(message: agent_service_pb2.Call) -> CallRecord:
    """What is remembered of a call."""
    return CallRecord(
        id=message.call_id,
        agent=message.agent,
        capability=message.capability,
        status=_STATUSES[message.status],
        path=tuple(message.path),
        parent=message.parent_call_id,
        root=message.root_call_id,
        created_at=moment(message.create_time),
        finished_at=moment(message.finish_time) if message.HasField("finish_time") else None,
        output=to_payload(message.output, "output") if message.HasField("output") else None,
        error=from_call_error(message.error) if message.HasField("error") else None,
        used=dict(message.used),
    )


def to_registered(message: agent_pb2.AgentDescriptor) -> RegisteredAgent:
    """An agent as the registry has it, without its instances."""
    return RegisteredAgent(
        descriptor=to_descriptor(message),
        id=message.id,
        owner=message.owner,
        enabled=message.enabled,
        deployed_at=moment(message.deploy_time),
        created_at=moment(message.create_time),
        updated_at=moment(message.update_time),
        revision=message.revision,
    )


def to_instance(message: agent_pb2.Instance) -> Instance:
    """One running copy of an agent."""
    return Instance(
        id=message.instance_id,
        agent=message.agent,
        node=message.node_id,
        kind=_KINDS[message.kind],
        address=message.address,
        version=message.version,
        lease_until=moment(message.lease_expire_time) if message.HasField("lease_expire_time") else None,
        created_at=moment(message.create_time) if message.HasField("create_time") else None,
    )


def to_node(message: registry_service_pb2.Node) -> Node:
    """A node of the mesh; a status that this client does not know counts as suspect."""
    return Node(
        id=message.node_id,
        address=message.address,
        peer_address=message.peer_address,
        region=message.region,
        zone=message.zone,
        labels=dict(message.labels),
        version=message.version,
        status=to_node_status(message.status) or NodeStatus.SUSPECT,
        started_at=moment(message.start_time) if message.HasField("start_time") else None,
        lease_until=moment(message.lease_expire_time) if message.HasField("lease_expire_time") else None,
    )
