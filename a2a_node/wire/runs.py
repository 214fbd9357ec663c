"""Runs of workflows and their events to messages and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC
from typing import cast

from google.protobuf.struct_pb2 import Struct

from a2a_node.model.errors import InvalidInput
from a2a_node.model.payload import JSON, Payload
from a2a_node.model.runs import Run, RunEvent, RunStatus
from a2a_node.wire.agents import timestamp
from a2a_node.wire.errors import from_call_error, to_call_error
from a2a_node.wire.payloads import from_mapping, from_payload, to_mapping, to_payload
from a2a_node.wire.run_steps import from_step, moment, to_step
from a2amesh.v1 import workflow_pb2 as pb
from a2amesh.v1 import workflow_service_pb2 as service_pb

_STATUSES = {one: pb.WorkflowStatus.Value(f"WORKFLOW_STATUS_{one.name}") for one in RunStatus}


def from_run(run: Run) -> pb.Workflow:
    """The message of a run."""
    return pb.Workflow(
        run_id=run.id,
        name=run.name,
        description=run.description,
        status=_STATUSES[run.status],
        steps=[from_step(step) for step in run.steps],
        global_context=_struct(run.context),
        created_by=run.created_by,
        create_time=timestamp(run.created_at),
        start_time=timestamp(run.started_at),
        complete_time=timestamp(run.completed_at),
        metadata=_struct(run.metadata),
        template=run.template,
        template_version=run.template_version,
        inputs=_struct(run.inputs),
        output=None if run.output is None else from_mapping(run.output, "output"),
        error=to_call_error(run.error) if run.error else None,
        parent_run_id=run.parent_run_id,
        expire_time=timestamp(run.expires_at),
        trace_id=run.trace_id,
        completed_steps=run.completed_steps,
        total_steps=run.total_steps,
    )


def to_run(message: pb.Workflow) -> Run:
    """The run of a message."""
    return Run(
        message.run_id,
        message.template,
        message.template_version,
        message.name,
        message.description,
        to_status("status", message.status),
        message.created_by,
        message.create_time.ToDatetime(UTC),
        message.expire_time.ToDatetime(UTC),
        to_mapping(message.inputs),
        to_mapping(message.global_context),
        to_mapping(message.metadata),
        steps=tuple(to_step(step) for step in message.steps),
        output=to_mapping(message.output) if message.HasField("output") else None,
        error=from_call_error(message.error) if message.HasField("error") else None,
        started_at=moment(message.start_time, there=message.HasField("start_time")),
        completed_at=moment(message.complete_time, there=message.HasField("complete_time")),
        parent_run_id=message.parent_run_id,
        trace_id=message.trace_id,
        completed_steps=message.completed_steps,
        total_steps=message.total_steps,
    )


def to_status(field: str, value: int) -> RunStatus:
    """The status of an enum value; InvalidInput names the field when it says none."""
    for status, number in _STATUSES.items():
        if number == value:
            return status
    raise InvalidInput(field, f"{value} is no status of a run")


def from_status(status: RunStatus) -> pb.WorkflowStatus.ValueType:
    """The enum value of a status."""
    return _STATUSES[status]


def from_event(event: RunEvent) -> service_pb.WatchRunResponse:
    """The message of an event."""
    message = service_pb.WatchRunResponse(sequence=event.sequence, event_time=timestamp(event.at))
    if event.run is not None:
        message.run.CopyFrom(from_run(event.run))
    elif event.step is not None:
        message.step.CopyFrom(from_step(event.step))
    elif event.progress is not None:
        message.progress.step_id = event.progress[0]
        message.progress.output.CopyFrom(from_payload(_said(event.progress[1])))
    else:
        message.gap.SetInParent()
    return message


def to_event(message: service_pb.WatchRunResponse) -> RunEvent:
    """The event of a message."""
    place = message.sequence, message.event_time.ToDatetime(UTC)
    kind = message.WhichOneof("change")
    if kind == "run":
        return RunEvent(*place, run=to_run(message.run))
    if kind == "step":
        return RunEvent(*place, step=to_step(message.step))
    if kind == "progress":
        return RunEvent(*place, progress=(message.progress.step_id, _heard(to_payload(message.progress.output))))
    return RunEvent(*place, gap=True)


def _said(value: object) -> Payload:
    if isinstance(value, Mapping):
        return Payload(cast("Mapping[str, object]", value))
    return Payload(value) if isinstance(value, str) else Payload(json.dumps(value), JSON)


def _heard(payload: Payload) -> object:
    body = payload.body
    return json.loads(body) if isinstance(body, str) and payload.media_type == JSON else body


def _struct(value: Mapping[str, object]) -> Struct | None:
    return from_mapping(value) if value else None
