"""Call records to messages, and the names of what travels in a call's metadata."""

from __future__ import annotations

from a2a_node.model.call import CallRecord, CallStatus
from a2a_node.wire.agents import timestamp
from a2a_node.wire.errors import to_call_error
from a2a_node.wire.payloads import from_payload
from a2amesh.v1 import agent_service_pb2 as pb

AUTHORIZATION = "authorization"
AGENT = "a2a-agent"  # whom a call is passed on to whose method the node does not serve
CALL_TOKEN = "a2a-call-token"  # noqa: S105 - the name of a metadata entry
CALL_ID = "a2a-call-id"
PATH = "a2a-path"
BUDGET = "a2a-budget"  # what is left, told to an endpoint
USED = "a2a-used"  # what was used: by an endpoint, told at its end; so far, told by an agent with a child call
ENVELOPE = "a2a-envelope-bin"
WARRANT = "a2a-warrant-bin"  # these four come with steps of runs, at the engine's door alone
ENGINE_KEY = "a2a-engine-key"
RUN = "a2a-run"
STEP = "a2a-step"

_STATUSES = {status: pb.CallStatus.Value(f"CALL_STATUS_{status.name}") for status in CallStatus}


def from_record(record: CallRecord) -> pb.Call:
    """The message of what is remembered of a call."""
    return pb.Call(
        call_id=record.id,
        agent=record.agent,
        capability=record.capability,
        status=_STATUSES[record.status],
        path=record.path,
        create_time=timestamp(record.created_at),
        finish_time=timestamp(record.finished_at),
        output=None if record.output is None else from_payload(record.output),
        error=None if record.error is None else to_call_error(record.error),
        parent_call_id=record.parent,
        root_call_id=record.root,
        used=record.used,
    )
