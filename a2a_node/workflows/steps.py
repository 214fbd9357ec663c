"""One step of a template: what it does, when, and what becomes of its failure."""

from __future__ import annotations

import json

from a2a_node.model.errors import InvalidInput, MeshError
from a2a_node.model.permissions import checked_permission
from a2a_node.model.workflows import (
    LEAST_TIMEOUT,
    MOST_ITEMS,
    MOST_TIMEOUT,
    AgentCall,
    Approval,
    OnFailure,
    Retry,
    SubWorkflow,
    TemplateStep,
    Work,
)
from a2a_node.workflows.expressions import unwrapped
from a2a_node.workflows.fields import TEMPLATE_NAME, Fields

MOST_ATTEMPTS, MOST_BACKOFF = 20, 3_600.0
DESCRIPTION, QUESTION = 2_000, 2_000  # characters
KINDS = ("agent", "capability", "workflow", "approval")  # each of which says what a step does


def read_step(name: str, fields: Fields) -> TemplateStep:
    """The step of an object; what is wrong is told."""
    step = TemplateStep(
        id=name,
        work=_work(fields),
        description=fields.text("description", DESCRIPTION),
        needs=fields.names("needs"),
        condition=_condition(fields),
        foreach=_foreach(fields),
        max_concurrent_items=fields.whole("max_concurrent_items", 1, MOST_ITEMS, 0),
        retry=_retry(fields.inner("retry")) if "retry" in fields else Retry(),
        timeout=fields.span("timeout", LEAST_TIMEOUT, MOST_TIMEOUT, 0.0),
        on_failure=_on_failure(fields),
        compensates=fields.text("compensates", 63),
    )
    _check_together(step, fields)
    fields.value("retry")
    fields.done()
    return step


def _work(fields: Fields) -> Work:
    if "approval" in fields:
        return _approval(fields.inner("approval"))
    if "workflow" in fields:
        template = fields.text("workflow", 255, required=True)
        if template and not TEMPLATE_NAME.fullmatch(template):
            fields.wrong(("workflow",), f"is {template[:80]!r}, which is no name of a template", "bad-name")
        return SubWorkflow(template, fields.object("input"))
    call = AgentCall(fields.name("agent"), fields.name("capability"), fields.name("tag"), fields.object("input"))
    if not any(kind in fields for kind in KINDS):
        fields.wrong((), "names no agent; it needs 'agent', 'capability', 'workflow' or 'approval'", "no-work")
    return call


def _approval(fields: Fields) -> Approval:
    permission, question = fields.text("permission", 255, required=True), fields.text("question", QUESTION)
    try:
        if permission:
            checked_permission("permission", permission, exact=True)
    except InvalidInput as error:
        fields.wrong(("permission",), f"is no permission: {error.variables['problem']}")
    fields.done()
    return Approval(permission, question)


def _condition(fields: Fields) -> str:
    value = fields.value("if")
    if isinstance(value, bool):
        return "true" if value else "false"
    return unwrapped(fields.text("if", 2_000))


def _foreach(fields: Fields) -> str:
    value = fields.value("foreach")
    if isinstance(value, list):
        return json.dumps(value, ensure_ascii=False)  # a list of JSON is one of CEL
    return unwrapped(fields.text("foreach", 2_000))


def _retry(fields: Fields) -> Retry:
    retry = Retry(
        fields.whole("attempts", 1, MOST_ATTEMPTS, 1),
        fields.span("backoff", 0.0, MOST_BACKOFF, 1.0),
        fields.names("reasons", 32),
    )
    for place, reason in enumerate(retry.reasons):
        if reason not in MeshError.by_reason:
            known = "such as AGENT_LOST or NO_INSTANCE; errors.proto has them all"
            fields.wrong(("reasons", place), f"is {reason[:80]!r}, which is no reason of a failure, {known}")
    fields.done()
    return retry


def _on_failure(fields: Fields) -> OnFailure:
    text = fields.text("on_failure", 63)
    if text and text not in OnFailure.__members__.values():
        fields.wrong(("on_failure",), f"is {text!r}, and must be one of {', '.join(OnFailure)}")
        return OnFailure.FAIL
    return OnFailure(text or OnFailure.FAIL)


def _check_together(step: TemplateStep, fields: Fields) -> None:
    """What each key may say by itself, and not beside the others."""
    kinds = [kind for kind in ("agent", "workflow", "approval") if kind in fields]
    if len(kinds) > 1 or ("capability" in fields and kinds and kinds != ["agent"]):
        fields.wrong((), f"does one thing, and says {' and '.join(k for k in KINDS if k in fields)}", "no-work")
    for key in ("agent", "capability", "workflow", "approval", "tag", "input"):
        fields.value(key)
    if "tag" in fields and ("agent" in fields or "capability" not in fields):
        fields.wrong(("tag",), "chooses among agents that offer a capability: give it 'capability', and no 'agent'")
    if isinstance(step.work, Approval):
        for key in ("foreach", "retry", "input"):
            if key in fields:
                fields.wrong((key,), "makes no sense beside 'approval'")
    if "max_concurrent_items" in fields and "foreach" not in fields:
        fields.wrong(("max_concurrent_items",), "needs 'foreach' beside it")
    if step.compensates and step.on_failure is OnFailure.COMPENSATE:
        fields.wrong(("on_failure",), "cannot be 'compensate' in a step that compensates")
