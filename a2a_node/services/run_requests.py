"""What requests about runs say, and how much of a run an answer holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from a2a_node.model.errors import InvalidInput
from a2a_node.model.names import checked_text, checked_uuid
from a2a_node.model.runs import Run, RunFilter, RunStep, StepData
from a2a_node.model.workflows import LEAST_TIMEOUT, MOST_TIMEOUT
from a2a_node.services.fields import checked_key, checked_span
from a2a_node.wire.payloads import to_mapping
from a2a_node.wire.runs import to_status
from a2a_node.workflows.starting import Wanted
from a2amesh.v1 import workflow_service_pb2 as pb

KEY = 255  # bytes
LONGEST = 255  # characters of what filters name
ROOM = 512 * 1024  # bytes of JSON: inputs and outputs of all steps in one answer; the first ones have them


def wanted_run(request: pb.StartRunRequest) -> Wanted:
    """The run that a request asks for."""
    if request.template_version < 0:
        raise InvalidInput("template_version", f"{request.template_version} must not be negative")
    given = request.HasField("timeout")
    return Wanted(
        checked_key("template", request.template, LONGEST),
        request.template_version,
        to_mapping(request.inputs),
        to_mapping(request.global_context),
        to_mapping(request.metadata),
        request.name,
        request.description,
        checked_key("idempotency_key", request.idempotency_key, KEY) if request.idempotency_key else "",
        checked_span("timeout", request.timeout, LEAST_TIMEOUT, MOST_TIMEOUT) if given else None,
        dict(request.budget),
    )


def wanted_runs(request: pb.ListRunsRequest) -> RunFilter:
    """The runs that a request asks for."""
    parent = request.parent_run_id
    return RunFilter(
        checked_text("template", request.template, LONGEST),
        tuple(to_status("statuses", status) for status in request.statuses if status),
        checked_text("created_by", request.created_by, LONGEST),
        checked_uuid("parent_run_id", parent) if parent else "",
        _moment("start_time", request.start_time) if request.HasField("start_time") else None,
        _moment("end_time", request.end_time) if request.HasField("end_time") else None,
    )


def shown(run: Run) -> Run:
    """The run as an answer holds it: in all, its steps' inputs and outputs take no more than there is room for."""
    return replace(run, steps=tuple(_bounded(run.steps)))


def with_step(run: Run, step_id: str, data: StepData) -> Run:
    """The run with one of its steps alone, whole."""
    found = (replace(step, input=data.input, output=data.output, omitted=False) for step in run.steps)
    return replace(run, steps=tuple(step for step in found if step.id == step_id))


def _bounded(steps: Sequence[RunStep]) -> Sequence[RunStep]:
    left, told = ROOM, []
    for step in steps:
        if step.input is not None or step.output is not None:
            left -= len(json.dumps([step.input, step.output]))
        told.append(step if left >= 0 else replace(step, input=None, output=None, omitted=True))
    return told


def _moment(field: str, message: Timestamp) -> datetime:
    try:
        return message.ToDatetime(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput(field, "is no time between the years 1 and 9999") from None
