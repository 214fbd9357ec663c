"""Steps of runs to messages and back."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.struct_pb2 import Struct, Value
from google.protobuf.timestamp_pb2 import Timestamp

from a2a_node.model.errors import InvalidInput
from a2a_node.model.runs import Decision, RunStep, StepApproval, StepAttempt, StepItems, StepStatus
from a2a_node.wire.agents import timestamp
from a2a_node.wire.errors import from_call_error, to_call_error
from a2a_node.wire.payloads import from_mapping, to_mapping
from a2amesh.v1 import workflow_pb2 as pb

_STATUSES = {one: pb.StepStatus.Value(f"STEP_STATUS_{one.name}") for one in StepStatus}
_DECISIONS = {one: pb.ApprovalDecision.Value(f"APPROVAL_DECISION_{one.name}") for one in Decision}


def from_step(step: RunStep) -> pb.WorkflowStep:
    """The message of a step."""
    return pb.WorkflowStep(
        step_id=step.id,
        status=_STATUSES[step.status],
        agent=step.agent,
        capability=step.capability,
        needs=step.needs,
        input=None if step.input is None else from_mapping(step.input, "input"),
        output=None if step.output is None else from_value(step.output),
        data_omitted=step.omitted,
        error=to_call_error(step.error) if step.error else None,
        start_time=timestamp(step.started_at),
        complete_time=timestamp(step.completed_at),
        attempts=[_from_attempt(attempt) for attempt in step.attempts],
        attempt_group=step.attempt_group,
        items=_from_items(step.items) if step.items else None,
        approval=_from_approval(step.approval) if step.approval else None,
        child_run_id=step.child_run_id,
        compensated=step.compensated,
    )


def to_step(message: pb.WorkflowStep) -> RunStep:
    """The step of a message."""
    return RunStep(
        message.step_id,
        next((one for one, number in _STATUSES.items() if number == message.status), StepStatus.PENDING),
        message.agent,
        message.capability,
        tuple(message.needs),
        to_mapping(message.input) if message.HasField("input") else None,
        to_value(message.output) if message.HasField("output") else None,
        omitted=message.data_omitted,
        error=from_call_error(message.error) if message.HasField("error") else None,
        started_at=moment(message.start_time, there=message.HasField("start_time")),
        completed_at=moment(message.complete_time, there=message.HasField("complete_time")),
        attempts=tuple(_to_attempt(one) for one in message.attempts),
        attempt_group=message.attempt_group,
        items=_to_items(message.items) if message.HasField("items") else None,
        approval=_to_approval(message.approval) if message.HasField("approval") else None,
        child_run_id=message.child_run_id,
        compensated=message.compensated,
    )


def from_value(value: object) -> Value:
    """The message of any JSON value."""
    return from_mapping({"value": value}, "output").fields["value"]


def to_value(message: Value) -> object:
    """The JSON value of a message."""
    holder = Struct()
    holder.fields["value"].CopyFrom(message)
    return to_mapping(holder)["value"]


def to_decision(field: str, value: int) -> Decision:
    """The decision of an enum value; InvalidInput names the field when it says none."""
    for decision, number in _DECISIONS.items():
        if number == value:
            return decision
    raise InvalidInput(field, "is required: approve or reject")


def from_decision(decision: Decision) -> pb.ApprovalDecision.ValueType:
    """The enum value of a decision."""
    return _DECISIONS[decision]


def moment(message: Timestamp, *, there: bool) -> datetime | None:
    """The moment of a message that may be absent."""
    return message.ToDatetime(UTC) if there else None


def _from_attempt(attempt: StepAttempt) -> pb.StepAttempt:
    return pb.StepAttempt(
        attempt=attempt.attempt,
        call_id=attempt.call_id,
        start_time=timestamp(attempt.started_at),
        complete_time=timestamp(attempt.completed_at),
        error=to_call_error(attempt.error) if attempt.error else None,
        node_id=attempt.node_id,
    )


def _to_attempt(message: pb.StepAttempt) -> StepAttempt:
    return StepAttempt(
        message.attempt,
        message.start_time.ToDatetime(UTC),
        message.node_id,
        message.call_id,
        moment(message.complete_time, there=message.HasField("complete_time")),
        from_call_error(message.error) if message.HasField("error") else None,
    )


def _from_items(items: StepItems) -> pb.StepItems:
    return pb.StepItems(total=items.total, completed=items.completed, failed=items.failed)


def _to_items(message: pb.StepItems) -> StepItems:
    return StepItems(message.total, message.completed, message.failed)


def _from_approval(approval: StepApproval) -> pb.StepApproval:
    return pb.StepApproval(
        permission=approval.permission,
        question=approval.question,
        decision=_DECISIONS[approval.decision] if approval.decision else pb.APPROVAL_DECISION_UNSPECIFIED,
        decided_by=approval.decided_by,
        comment=approval.comment,
        request_time=timestamp(approval.requested_at),
        decide_time=timestamp(approval.decided_at),
        expire_time=timestamp(approval.expires_at),
    )


def _to_approval(message: pb.StepApproval) -> StepApproval:
    return StepApproval(
        message.permission,
        message.question,
        moment(message.request_time, there=message.HasField("request_time")),
        moment(message.expire_time, there=message.HasField("expire_time")),
        next((one for one, number in _DECISIONS.items() if number == message.decision), None),
        message.decided_by,
        message.comment,
        moment(message.decide_time, there=message.HasField("decide_time")),
    )
