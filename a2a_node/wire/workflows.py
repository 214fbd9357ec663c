"""Workflow templates, their problems and plans to messages and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC

from google.protobuf.struct_pb2 import Struct, Value

from a2a_node.model.workflows import (
    AgentCall,
    Approval,
    OnFailure,
    PlannedStep,
    Problem,
    Retry,
    Severity,
    SubWorkflow,
    Template,
    TemplateInput,
    TemplateStep,
    TemplateVersion,
    Work,
)
from a2a_node.wire.agents import duration, seconds
from a2a_node.wire.payloads import from_mapping, to_mapping
from a2amesh.v1 import workflow_template_pb2 as pb

_SEVERITIES = {one: pb.ProblemSeverity.Value(f"PROBLEM_SEVERITY_{one.name}") for one in Severity}
_POLICIES = {one: pb.StepFailurePolicy.Value(f"STEP_FAILURE_POLICY_{one.name}") for one in OnFailure}
Lines = Mapping[str, int]
NOWHERE: Lines = {}


def from_version(version: TemplateVersion, lines: Lines = NOWHERE) -> pb.WorkflowTemplate:
    """The message of a version; `lines` say where its steps begin."""
    message = from_template(version.template, lines)
    message.version, message.source, message.created_by = version.version, version.source, version.created_by
    message.create_time.FromDatetime(version.created_at)
    return message


def to_version(message: pb.WorkflowTemplate) -> TemplateVersion:
    """The version of a message."""
    created_at = message.create_time.ToDatetime(UTC)
    return TemplateVersion(to_template(message), message.version, message.created_by, created_at, message.source)


def from_template(template: Template, lines: Lines = NOWHERE) -> pb.WorkflowTemplate:
    """The message of what a source says."""
    return pb.WorkflowTemplate(
        name=template.name,
        description=template.description,
        tags=template.tags,
        inputs=[_from_input(one) for one in template.inputs],
        steps=[_from_step(step, lines.get(step.id, 0)) for step in template.steps],
        schedule=template.schedule,
        max_concurrent_runs=template.max_concurrent_runs,
        timeout=duration(template.timeout),
        output=_struct(template.output),
    )


def to_template(message: pb.WorkflowTemplate) -> Template:
    """What a source said, from its message."""
    return Template(
        message.name,
        message.description,
        tuple(message.tags),
        tuple(_to_input(one) for one in message.inputs),
        tuple(_to_step(step) for step in message.steps),
        to_mapping(message.output),
        seconds(message.timeout),
        message.schedule,
        message.max_concurrent_runs,
    )


def from_problem(problem: Problem) -> pb.TemplateProblem:
    """The message of a problem."""
    return pb.TemplateProblem(
        severity=_SEVERITIES[problem.severity],
        rule=problem.rule,
        message=problem.message,
        line=problem.line,
        column=problem.column,
        step_id=problem.step,
    )


def to_problem(message: pb.TemplateProblem) -> Problem:
    """The problem of a message."""
    severity = Severity.WARNING if message.severity == pb.PROBLEM_SEVERITY_WARNING else Severity.ERROR
    return Problem(message.rule, message.message, message.line, message.column, message.step_id, severity)


def from_planned(planned: PlannedStep) -> pb.PlannedStep:
    """The message of what a dry run says of a step."""
    return pb.PlannedStep(
        step_id=planned.step.id,
        wave=planned.wave,
        agents=planned.agents,
        input=_struct(planned.input),
        skipped=planned.skipped,
        items=planned.items,
    )


def to_planned(message: pb.PlannedStep, template: Template) -> PlannedStep:
    """What a dry run says of a step of the template."""
    step = template.step(message.step_id) or TemplateStep(message.step_id, AgentCall())
    items = message.items if message.HasField("items") else None
    given = to_mapping(message.input)
    return PlannedStep(step, message.wave, tuple(message.agents), given, message.skipped, items)


def _from_input(one: TemplateInput) -> pb.TemplateInput:
    message = pb.TemplateInput(
        name=one.name, description=one.description, schema=_struct(one.schema), required=one.required
    )
    if not one.required:
        message.default_value.CopyFrom(from_mapping({"value": one.default}).fields["value"])
    return message


def _to_input(message: pb.TemplateInput) -> TemplateInput:
    default = None if message.required else _json(message.default_value)
    return TemplateInput(message.name, message.description, to_mapping(message.schema), message.required, default)


def _json(value: Value) -> object:
    return to_mapping(Struct(fields={"value": value}))["value"]


def _from_step(step: TemplateStep, line: int) -> pb.TemplateStep:
    message = pb.TemplateStep(
        step_id=step.id,
        description=step.description,
        needs=step.needs,
        condition=step.condition,
        foreach=step.foreach,
        compensates=step.compensates,
        line=line,
        max_concurrent_items=step.max_concurrent_items,
        timeout=duration(step.timeout) if step.timeout else None,
        on_failure=_POLICIES[step.on_failure],
    )
    if step.retry != Retry():
        backoff = duration(step.retry.backoff)
        message.retry.CopyFrom(
            pb.TemplateRetry(attempts=step.retry.attempts, backoff=backoff, reasons=step.retry.reasons)
        )
    _say_work(message, step.work)
    return message


def _say_work(message: pb.TemplateStep, work: Work) -> None:
    if isinstance(work, Approval):
        message.approval.CopyFrom(pb.TemplateApproval(permission=work.permission, question=work.question))
        return
    if isinstance(work, SubWorkflow):
        message.workflow = work.template
    else:
        message.call.CopyFrom(pb.TemplateCall(agent=work.agent, capability=work.capability, tag=work.tag))
    if work.input:
        message.input.CopyFrom(from_mapping(work.input))


def _to_step(message: pb.TemplateStep) -> TemplateStep:
    policies = {number: policy for policy, number in _POLICIES.items()}
    retry = Retry(message.retry.attempts, seconds(message.retry.backoff), tuple(message.retry.reasons))
    return TemplateStep(
        message.step_id,
        _to_work(message),
        message.description,
        tuple(message.needs),
        message.condition,
        message.foreach,
        message.max_concurrent_items,
        retry if message.HasField("retry") else Retry(),
        seconds(message.timeout),
        policies.get(message.on_failure, OnFailure.FAIL),
        message.compensates,
    )


def _to_work(message: pb.TemplateStep) -> Work:
    kind, given = message.WhichOneof("work"), to_mapping(message.input)
    if kind == "approval":
        return Approval(message.approval.permission, message.approval.question)
    if kind == "workflow":
        return SubWorkflow(message.workflow, given)
    return AgentCall(message.call.agent, message.call.capability, message.call.tag, given)


def _struct(value: Mapping[str, object]) -> Struct | None:
    return from_mapping(value) if value else None
